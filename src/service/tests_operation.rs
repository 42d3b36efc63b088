//! Named operations: every one of the table can be asked for, and what is wrong is told with its parameter.

use std::collections::BTreeSet;

use crate::operation::{Operation, Takes, operations};
use crate::request::ExportTo;
use crate::{ImageAt, Request, ShareRequest, Term};

/// A word that a parameter takes.
fn word_for(name: &str, takes: Takes) -> String {
    match takes {
        Takes::Text if name == "region" || name == "to-region" => "cn-beijing".to_owned(),
        Takes::Text if name == "platform" => "Debian".to_owned(),
        Takes::List if name == "data-disk" => "oss://disks/data.raw".to_owned(),
        Takes::Text | Takes::List => "web-1".to_owned(),
        Takes::Yes => "no".to_owned(),
        Takes::Size => "20MiB".to_owned(),
        Takes::Span => "30d".to_owned(),
        Takes::Time => "2027-01-31".to_owned(),
        Takes::Number => "7".to_owned(),
        Takes::Tags => "env=prod;team=x".to_owned(),
        Takes::File => "oss://disks/web.raw".to_owned(),
        Takes::OneOf(words) => words[0].to_owned(),
    }
}

fn wrong(operation: &Operation) -> (String, String, String) {
    let wrong = operation.read().unwrap_err();
    (wrong.parameter, wrong.refusal.message, wrong.refusal.advice)
}

#[test]
fn every_operation_there_is_can_be_asked_for_with_each_of_its_parameters() {
    let mut names = BTreeSet::new();
    let mut before = "";
    for known in operations() {
        assert!(before < known.name, "{} stands out of its place", known.name);
        before = known.name;
        assert!(names.insert(known.name));
        let needed: Vec<_> = known.parameters.iter().filter(|parameter| parameter.needed).collect();
        // What it is about is said in any case, though one of several may be it.
        let subject =
            known.parameters.iter().enumerate().filter(|(place, one)| *place == 0 || one.name == "to");
        let subject: Vec<_> = subject.map(|(_, one)| one).collect();
        for one in known.parameters {
            let mut operation = Operation::new(known.name, []);
            for parameter in needed.iter().copied().chain(subject.clone()).chain([one]) {
                let word = word_for(parameter.name, parameter.takes);
                operation.parameters.insert(parameter.name.to_owned(), word);
            }
            // What stands alone may leave nothing to do; what it says is read all the same.
            if let Err(wrong) = operation.read() {
                assert_eq!(wrong.refusal.code, "MissingParameter", "{}: {wrong:?}", operation.label());
            }
            let bad = match one.takes {
                Takes::Text | Takes::List => continue,
                Takes::Tags => "novalue",
                _ => "\u{1}?",
            };
            operation.parameters.insert(one.name.to_owned(), bad.to_owned());
            let wrong = operation.read().unwrap_err();
            assert_eq!(wrong.parameter, one.name, "{}: {wrong:?}", known.name);
            assert!(!wrong.refusal.advice.is_empty(), "{}: {wrong:?}", known.name);
        }
        for missing in &needed {
            let others = needed.iter().filter(|parameter| parameter.name != missing.name);
            let said: Vec<_> = others.map(|one| (one.name, word_for(one.name, one.takes))).collect();
            let said = said.iter().map(|(name, word)| (*name, word.as_str()));
            let (parameter, message, _) = wrong(&Operation::new(known.name, said));
            assert_eq!(parameter, missing.name);
            assert!(message.contains(missing.about), "{message}");
        }
    }
}

#[test]
fn parameters_are_the_same_however_people_write_them() {
    let plain =
        Operation::new("image.copy", [("image", "web-1"), ("to-region", "cn-beijing"), ("tag:Env", "A")]);
    for name in ["ToRegion", "TO_REGION", "to region", " toregion "] {
        let written =
            Operation::new("Image.Copy", [("Image", "web-1"), (name, "cn-beijing"), ("TAG:Env", "A")]);
        assert_eq!(written.request(), plain.request());
        assert_eq!(written.canonical(), plain.canonical());
        assert_eq!(written.label(), "image.copy web-1");
    }
    let twice = Operation::new("image.copy", [("image", "web-1"), ("to-region", "a"), ("ToRegion", "b")]);
    assert!(wrong(&twice).1.contains("given twice"));
    // Nor is one of them dropped where it is only written as it is called here.
    let tags = Operation::new("image.copy", [("image", "web-1"), ("tag:Env", "a"), ("TAG:Env", "b")]);
    for twice in [twice, tags] {
        let refused = twice.canonical().unwrap_err();
        assert_eq!(refused.refusal.code, "InvalidParameter.Conflict", "{refused:?}");
    }
}

#[test]
fn what_is_meant_by_a_slip_of_the_hand_is_told() {
    let (parameter, message, advice) = wrong(&Operation::new("image.modfiy", []));
    assert_eq!((parameter.as_str(), message.as_str()), ("operation", "there is no operation `image.modfiy`"));
    assert_eq!(advice, "did you mean `image.modify`?");
    let (parameter, _, advice) =
        wrong(&Operation::new("image.modify", [("image", "web"), ("descripton", "x")]));
    assert_eq!((parameter.as_str(), advice.as_str()), ("descripton", "did you mean `description`?"));
    let (parameter, message, _) = wrong(&Operation::new("image.modify", [("image", "web-1")]));
    assert_eq!(parameter, "name");
    assert!(message.starts_with("none of `name`"), "{message}");
    let (_, message, _) = wrong(&Operation::new("", [("image", "web-1")]));
    assert_eq!(message, "no operation is named");
}

#[test]
fn a_line_of_json_may_have_numbers_truths_lists_and_objects() {
    let line = r#"{"Operation":"image.share","Image":"web-1","With":[200000,"300000"],"For":"30d"}"#;
    let operation: Operation = serde_json::from_str(line).unwrap();
    let Request::Share(ShareRequest::Share { with, term, .. }) = operation.request().unwrap() else {
        panic!("{operation:?}")
    };
    assert_eq!((with.len(), term), (2, Term::For(30 * 24 * 60 * 60 * 1000)));
    let line =
        r#"{"operation":"image.modify","image":"web-1","tag":{"env":"prod"},"deprecated":true,"name":null}"#;
    let operation: Operation = serde_json::from_str(line).unwrap();
    let Request::ImageModify { to, .. } = operation.request().unwrap() else { panic!("{operation:?}") };
    assert_eq!((to.name, to.deprecated), (None, Some(true)));
    assert_eq!(to.tags["env"].as_deref(), Some("prod"));
    for wrong in [r#"{"image":"a","image":"b"}"#, "[]", "7", r#"{"operation":"image.check","image":{}"#] {
        assert!(serde_json::from_str::<Operation>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_operation_is_the_same_after_it_was_written_and_read() {
    let operation =
        Operation::new("image.modify", [("image", "web-1"), ("description", ""), ("tag:a b", "=;")]);
    let json = serde_json::to_string(&operation).unwrap();
    assert_eq!(json, r#"{"operation":"image.modify","description":"","image":"web-1","tag:a b":"=;"}"#);
    assert_eq!(serde_json::from_str::<Operation>(&json).unwrap(), operation);
    let bytes = rmp_serde::to_vec_named(&operation).unwrap();
    assert_eq!(rmp_serde::from_slice::<Operation>(&bytes).unwrap(), operation);
    let Request::ImageModify { at, to } = operation.request().unwrap() else { panic!("{operation:?}") };
    assert_eq!(at, ImageAt { image: "web-1".to_owned(), region: None });
    assert_eq!((to.description.as_deref(), to.tags["a b"].as_deref()), (Some(""), Some("=;")));
}

#[test]
fn files_are_named_from_the_root_and_objects_by_bucket_and_key() {
    let export = |to: &str| Operation::new("image.export", [("image", "web-1"), ("to", to)]).request();
    let Request::ImageExport(ask) = export("oss://out/a/b.raw").unwrap() else { panic!() };
    assert_eq!(ask.to, ExportTo::Object { bucket: "out".to_owned(), key: "a/b.raw".to_owned() });
    assert!(export("/out/b.raw").unwrap().names_files());
    for wrong in ["b.raw", "oss://out", "oss:///b"] {
        assert!(export(wrong).unwrap_err().advice.contains("oss://BUCKET/KEY"), "{wrong}");
    }
}
