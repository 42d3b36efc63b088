//! What holds of policy documents: how they are read, and what they say, beside a judge that is as plain as can be.

use std::net::IpAddr;

use crate::policy::{Context, Document, Judged, Question, SYSTEM_POLICIES, Trust, judge};

const IMAGE: &str = "acs:ecs:cn-a:100000:image/m-1";

/// A document with these statements.
fn document(statements: &str) -> Document {
    Document::read(&format!(r#"{{"Version":"1","Statement":[{statements}]}}"#)).expect(statements)
}

fn context(ip: Option<&str>, now_ms: i64, secure: bool) -> Context {
    let source_ip: Option<IpAddr> = ip.map(|ip| ip.parse().expect("it is an address"));
    Context { source_ip, now_ms, secure }
}

fn ask(documents: &[Document], action: &str, resource: &str, context: &Context) -> Judged {
    judge(documents, &Question { action, resource, context })
}

/// What one statement says of an action on an image.
fn says(statement: &str, action: &str, context: &Context) -> Judged {
    ask(&[document(statement)], action, IMAGE, context)
}

#[test]
fn a_deny_wins_over_every_allow_and_what_nobody_allows_is_denied() {
    let allow = r#"{"Effect":"Allow","Action":"ecs:*","Resource":"*"}"#;
    let deny = r#"{"Effect":"Deny","Action":"ecs:Delete*","Resource":"acs:ecs:*:*:image/*"}"#;
    let here = context(None, 0, true);
    let both = document(&format!("{allow},{deny}"));
    for documents in
        [vec![both], vec![document(allow), document(deny)], vec![document(deny), document(allow)]]
    {
        assert_eq!(ask(&documents, "ecs:DeleteImage", IMAGE, &here), Judged::Denied);
        assert_eq!(ask(&documents, "ecs:DescribeImages", IMAGE, &here), Judged::Allowed);
        assert_eq!(ask(&documents, "oss:GetObject", "acs:oss:*:*:b/o", &here), Judged::Silent);
        assert_eq!(ask(&documents, "ecs:DeleteDisk", "acs:ecs:cn-a:100000:disk/d-1", &here), Judged::Allowed);
    }
    assert_eq!(ask(&[], "ecs:DescribeImages", IMAGE, &here), Judged::Silent);
}

#[test]
fn wildcards_stand_for_letters_within_a_part_of_a_resource_and_actions_for_any_case() {
    let here = context(None, 0, true);
    for (pattern, resource, fits) in [
        ("*", "anything at all", true),
        ("acs:ecs:*:*:image/*", IMAGE, true),
        ("acs:ecs:*:*:image/m-?", IMAGE, true),
        ("acs:ecs:*:*:image/m-??", IMAGE, false),
        ("acs:ecs:cn-b:*:image/*", IMAGE, false),
        ("acs:ecs:*:200000:image/*", IMAGE, false),
        ("acs:ecs:*:image/*", IMAGE, false),
        ("acs:*:*:*:*", IMAGE, true),
        ("acs:oss:*:*:bucket/*", "acs:oss:cn-a:100000:bucket/a/b:c", true),
        ("acs:oss:*:*:bucket", "acs:oss:cn-a:100000:bucket/a", false),
        ("acs:ram:*:100000:role/*", "acs:ram::100000:role/x", true),
        ("acs:ecs:*:*:image/*", "*", false),
    ] {
        let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"{pattern}"}}"#);
        let text = format!(r#"{{"Version":"1","Statement":[{statement}]}}"#);
        // One of these is no resource at all, and is refused.
        let said = Document::read(&text).map(|it| ask(&[it], "ecs:X", resource, &here) == Judged::Allowed);
        assert_eq!(said.unwrap_or(false), fits, "{pattern} of {resource}");
    }
    for (pattern, action, fits) in [
        ("ecs:Describe*", "ecs:DescribeImages", true),
        ("ecs:describe*", "ecs:DescribeImages", true),
        ("ecs:Describe*", "ecs:DeleteImage", false),
        ("*:DeleteImage", "ecs:DeleteImage", true),
        ("ecs:*Image", "ecs:DeleteImages", false),
        ("ecs:D*e*e", "ecs:DeleteImage", true),
    ] {
        let statement = format!(r#"{{"Effect":"Allow","Action":["oss:X","{pattern}"],"Resource":"*"}}"#);
        assert_eq!(says(&statement, action, &here) == Judged::Allowed, fits, "{pattern} of {action}");
    }
    let all_but =
        r#"{"Effect":"Allow","NotAction":["ram:*","ecs:Delete*"],"NotResource":"acs:ecs:*:*:disk/*"}"#;
    assert_eq!(says(all_but, "ecs:DescribeImages", &here), Judged::Allowed);
    assert_eq!(says(all_but, "ecs:DeleteImage", &here), Judged::Silent);
    assert_eq!(ask(&[document(all_but)], "ecs:Describe", "acs:ecs:a:1:disk/d", &here), Judged::Silent);
}

#[test]
fn conditions_all_have_to_hold_and_one_of_their_values() {
    let noon = "2026-03-03T12:00:00Z".parse::<jiff::Timestamp>().expect("a time").as_millisecond();
    let of = |ip: &str| context(Some(ip), noon, true);
    for (condition, context, fits) in [
        (r#"{"IpAddress":{"acs:SourceIp":["10.0.0.0/8","192.0.2.7"]}}"#, of("10.9.8.7"), true),
        (r#"{"IpAddress":{"acs:SourceIp":["10.0.0.0/8","192.0.2.7"]}}"#, of("192.0.2.7"), true),
        (r#"{"IpAddress":{"acs:SourceIp":["10.0.0.0/8","192.0.2.7"]}}"#, of("192.0.2.8"), false),
        (r#"{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}"#, of("::ffff:10.0.0.1"), true),
        (r#"{"IpAddress":{"acs:SourceIp":"2001:db8::/32"}}"#, of("2001:db8::1"), true),
        (r#"{"IpAddress":{"acs:SourceIp":"0.0.0.0/0"}}"#, of("203.0.113.1"), true),
        (r#"{"IpAddress":{"acs:SourceIp":"0.0.0.0/0"}}"#, of("2001:db8::1"), false),
        (r#"{"NotIpAddress":{"acs:SourceIp":["10.0.0.0/8","192.0.2.7"]}}"#, of("192.0.2.8"), true),
        (r#"{"NotIpAddress":{"acs:SourceIp":["10.0.0.0/8","192.0.2.7"]}}"#, of("192.0.2.7"), false),
        (r#"{"StringLike":{"acs:SourceIp":"10.0.*"}}"#, of("10.0.3.4"), true),
        (r#"{"StringNotEquals":{"acs:SourceIp":"10.0.3.4"}}"#, of("10.0.3.4"), false),
        (r#"{"DateLessThan":{"acs:CurrentTime":"2026-03-03T20:00:01+08:00"}}"#, of("10.0.0.1"), true),
        (r#"{"DateLessThan":{"acs:CurrentTime":"2026-03-03T20:00:00+08:00"}}"#, of("10.0.0.1"), false),
        (r#"{"DateLessThanEquals":{"acs:CurrentTime":"2026-03-03T12:00:00Z"}}"#, of("10.0.0.1"), true),
        (r#"{"DateGreaterThan":{"acs:CurrentTime":"2026-03-03T12:00:00Z"}}"#, of("10.0.0.1"), false),
        (r#"{"Bool":{"acs:SecureTransport":"true"}}"#, of("10.0.0.1"), true),
        (r#"{"Bool":{"acs:SecureTransport":false}}"#, of("10.0.0.1"), false),
        (
            r#"{"Bool":{"acs:SecureTransport":"true"},"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}"#,
            of("192.0.2.1"),
            false,
        ),
    ] {
        let statement =
            format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#);
        assert_eq!(says(&statement, "ecs:X", &context) == Judged::Allowed, fits, "{condition}, {context:?}");
    }
}

#[test]
fn what_a_request_does_not_tell_counts_against_who_asks() {
    let nowhere = context(None, 0, true);
    for operator in ["IpAddress", "NotIpAddress", "StringLike"] {
        let condition = format!(r#"{{"{operator}":{{"acs:SourceIp":"10.0.0.1"}}}}"#);
        let of = |effect: &str| {
            format!(r#"{{"Effect":"{effect}","Action":"*","Resource":"*","Condition":{condition}}}"#)
        };
        assert_eq!(says(&of("Allow"), "ecs:X", &nowhere), Judged::Silent, "{operator}");
        assert_eq!(says(&of("Deny"), "ecs:X", &nowhere), Judged::Denied, "{operator}");
    }
    // Unless another condition settles it.
    let settled = r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":
        {"IpAddress":{"acs:SourceIp":"10.0.0.1"},"Bool":{"acs:SecureTransport":"false"}}}"#;
    assert_eq!(says(settled, "ecs:X", &nowhere), Judged::Silent);
}

#[test]
fn a_document_that_cannot_be_judged_to_the_letter_is_refused() {
    let fine = r#""Effect":"Allow","Action":"*","Resource":"*""#;
    for statement in [
        r#"{"Effect":"allow","Action":"*","Resource":"*"}"#,
        r#"{"Action":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":["DescribeImages"],"Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":7,"Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"image/*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b"}"#,
        &format!(r#"{{{fine},"Effect":"Deny"}}"#),
        &format!(r#"{{{fine},"Principal":{{"RAM":"*"}}}}"#),
        &format!(r#"{{{fine},"Condition":{{"IpAddress":{{"acs:sourceip":"10.0.0.1"}}}}}}"#),
        &format!(r#"{{{fine},"Condition":{{"IpAddress":{{"acs:SourceIp":"10.0.0.1/33"}}}}}}"#),
        &format!(r#"{{{fine},"Condition":{{"IpAddress":{{"acs:SourceIp":"home"}}}}}}"#),
        &format!(r#"{{{fine},"Condition":{{"NumericEquals":{{"acs:SourceIp":"1"}}}}}}"#),
        &format!(r#"{{{fine},"Condition":{{"DateLessThan":{{"acs:CurrentTime":"tomorrow"}}}}}}"#),
        &format!(r#"{{{fine},"Condition":{{"Bool":{{"acs:SecureTransport":"yes"}}}}}}"#),
        &format!(r#"{{{fine},"Condition":{{"Bool":{{"acs:MFAPresent":"true"}}}}}}"#),
        &format!(r#"{{{fine},"Condition":{{"Bool":{{"acs:SecureTransport":"true"}},"Bool":{{}}}}}}"#),
    ] {
        let text = format!(r#"{{"Version":"1","Statement":[{statement}]}}"#);
        let no = Document::read(&text).expect_err(statement);
        assert_eq!(no.code, "MalformedPolicyDocument", "{statement}");
    }
    for text in [
        "",
        "[]",
        r#"{"Version":"2","Statement":[]}"#,
        r#"{"Version":"1","Statement":[]}"#,
        r#"{"Version":"1"}"#,
        &format!(r#"{{"Statement":[{{{fine}}}]}}"#),
        &format!(r#"{{"Version":"1","Statement":[{{{fine}}}],"Id":"x"}}"#),
        &format!(r#"{{"Version":"1","Statement":[{{{fine}}}],"Statement":[{{{fine}}}]}}"#),
        &format!(r#"{{"Version":"1","Statement":[{{{fine}}}]}}{}"#, " ".repeat(6144)),
    ] {
        assert_eq!(Document::read(text).expect_err(text).code, "MalformedPolicyDocument", "{text}");
    }
}

#[test]
fn policies_of_the_system_are_policies_in_the_order_of_their_names() {
    assert!(SYSTEM_POLICIES.is_sorted_by_key(|policy| policy.name));
    for policy in SYSTEM_POLICIES {
        Document::read(policy.document).expect(policy.name);
    }
}

#[test]
fn a_role_trusts_whom_its_document_names() {
    let trust = |principal: &str| {
        let statement = format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{principal}}}"#);
        Trust::read(&format!(r#"{{"Version":"1","Statement":[{statement}]}}"#))
    };
    let here = context(None, 0, true);
    let (alice, far) = ("acs:ram::100000:user/alice", "acs:ram::200000:user/alice");
    for (principal, lets_alice, lets_far) in [
        (r#"{"RAM":["acs:ram::100000:root"]}"#, true, false),
        (r#"{"RAM":"acs:ram::*:root"}"#, true, true),
        (r#"{"RAM":["acs:ram::100000:user/bob","acs:ram::200000:user/alice"]}"#, false, true),
        (r#"{"Service":["ecs.aliyuncs.com"]}"#, false, false),
    ] {
        let trust = trust(principal).expect(principal);
        assert_eq!(trust.judge(alice, &here) == Judged::Allowed, lets_alice, "{principal}");
        assert_eq!(trust.judge(far, &here) == Judged::Allowed, lets_far, "{principal}");
    }
    for principal in
        [r#""*""#, r#"{"RAM":"alice"}"#, r#"{"RAM":"acs:ram::100000:user/*"}"#, r#"{"Federated":"x"}"#, "{}"]
    {
        assert_eq!(trust(principal).expect_err(principal).code, "MalformedPolicyDocument", "{principal}");
    }
    let other = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"ecs:X",
        "Principal":{"RAM":"acs:ram::1:root"}}]}"#;
    assert!(Trust::read(other).is_err(), "a trust is about assuming");
}

/// Chance from a seed, for what follows.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("it is small")
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// A statement in words that the plain judge takes as they are.
struct Plain {
    deny: bool,
    actions: (bool, Vec<&'static str>),
    resources: (bool, Vec<&'static str>),
    net: Option<(bool, &'static str)>,
}

/// Whether a text is as a pattern says, by trying everything.
fn plainly_like(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|eaten| plainly_like(rest, &text[eaten..])),
        Some((b'?', rest)) => !text.is_empty() && plainly_like(rest, &text[1..]),
        Some((letter, rest)) => text.first() == Some(letter) && plainly_like(rest, &text[1..]),
    }
}

fn plainly_resource(pattern: &str, resource: &str) -> bool {
    let parts = |text: &str| text.splitn(5, ':').map(str::to_owned).collect::<Vec<_>>();
    let (wanted, found) = (parts(pattern), parts(resource));
    let same = || wanted.iter().zip(&found).all(|(a, b)| plainly_like(a.as_bytes(), b.as_bytes()));
    pattern == "*" || (wanted.len() == found.len() && same())
}

impl Plain {
    fn by(chance: &mut Chance) -> Self {
        const ACTIONS: [&str; 8] =
            ["*", "ecs:*", "ecs:D*", "ecs:?eleteImage", "oss:*Object", "*:*e*e*", "oss:GetObject", "ecs:D*s"];
        const RESOURCES: [&str; 7] = [
            "*",
            "acs:ecs:*:*:*",
            "acs:ecs:cn-a:*:image/*",
            "acs:*:*:1?0000:*",
            "acs:oss:*:*:b*/o",
            "acs:ecs:*:*:image/m-1",
            "acs:ecs:*:100000:image/*-*",
        ];
        let pick = |chance: &mut Chance, from: &[&'static str]| {
            let count = 1 + chance.below(2);
            (chance.below(5) == 0, (0..count).map(|_| chance.one(from)).collect::<Vec<_>>())
        };
        let net = chance.one(&["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0"]);
        Self {
            deny: chance.below(3) == 0,
            actions: pick(chance, &ACTIONS),
            resources: pick(chance, &RESOURCES),
            net: (chance.below(3) == 0).then(|| (chance.below(2) == 0, net)),
        }
    }

    fn text(&self) -> String {
        let field = |name: &str, (not, patterns): &(bool, Vec<&str>)| {
            format!(r#""{}{name}":{}"#, if *not { "Not" } else { "" }, serde_json::json!(patterns))
        };
        let effect = if self.deny { "Deny" } else { "Allow" };
        let condition = self.net.map(|(not, net)| {
            let operator = if not { "NotIpAddress" } else { "IpAddress" };
            format!(r#","Condition":{{"{operator}":{{"acs:SourceIp":"{net}"}}}}"#)
        });
        let (actions, resources) = (field("Action", &self.actions), field("Resource", &self.resources));
        format!(r#"{{"Effect":"{effect}",{actions},{resources}{}}}"#, condition.unwrap_or_default())
    }

    fn applies(&self, action: &str, resource: &str, ip: &str) -> bool {
        let (action, ip) = (action.to_lowercase(), ip.to_owned() + ".");
        let some = |(not, patterns): &(bool, Vec<&str>), is: &dyn Fn(&str) -> bool| {
            patterns.iter().any(|pattern| is(pattern)) != *not
        };
        let in_net = |net: &str| match net {
            "10.0.0.0/8" => ip.starts_with("10."),
            "10.1.0.0/16" => ip.starts_with("10.1."),
            _ => true,
        };
        some(&self.actions, &|it| plainly_like(it.to_lowercase().as_bytes(), action.as_bytes()))
            && some(&self.resources, &|it| plainly_resource(it, resource))
            && self.net.is_none_or(|(not, net)| in_net(net) != not)
    }
}

/// Goal: the judge says what the documented order says. Method: random documents of a few patterns that
/// overlap, asked random questions, beside a judge that tries every way a `*` may go.
#[test]
fn random_documents_are_judged_as_a_plain_judge_judges_them() {
    const ACTIONS: [&str; 5] =
        ["ecs:DeleteImage", "ecs:DescribeImages", "oss:GetObject", "ECS:deleteimage", "ram:CreateUser"];
    const THINGS: [&str; 6] = [
        IMAGE,
        "acs:ecs:cn-b:200000:image/m-2",
        "acs:oss:cn-a:100000:bucket/o",
        "acs:ecs:cn-a:120000:disk/d-1",
        "acs:ram::100000:user/alice",
        "*",
    ];
    let mut chance = Chance(0x5eed_1234_5678_9abc);
    let mut said = [0u32; 3];
    for round in 0..20_000 {
        let documents: Vec<Vec<Plain>> = (0..chance.below(4))
            .map(|_| (0..=chance.below(3)).map(|_| Plain::by(&mut chance)).collect())
            .collect();
        let texts: Vec<String> = documents
            .iter()
            .map(|plain| plain.iter().map(Plain::text).collect::<Vec<_>>().join(","))
            .collect();
        let read: Vec<Document> = texts.iter().map(|text| document(text)).collect();
        let (action, resource) = (chance.one(&ACTIONS), chance.one(&THINGS));
        let ip = chance.one(&["10.1.2.3", "10.9.0.1", "192.0.2.1"]);
        let applying: Vec<bool> = documents
            .iter()
            .flatten()
            .filter(|it| it.applies(action, resource, ip))
            .map(|it| it.deny)
            .collect();
        let wanted = if applying.contains(&true) {
            Judged::Denied
        } else if applying.is_empty() {
            Judged::Silent
        } else {
            Judged::Allowed
        };
        let found = ask(&read, action, resource, &context(Some(ip), 0, false));
        assert_eq!(found, wanted, "round {round}: {action} on {resource} from {ip} by {texts:#?}");
        said[found as usize] += 1;
    }
    assert!(said.iter().all(|count| *count > 1000), "all three are said: {said:?}");
}
