//! The decisions and their index, and the reason for each dependency.

use crate::{Complaint, Tree, has_extension};

const FOLDER: &str = "docs/decisions/";
const INDEX: &str = "docs/decisions/README.md";
const REASONS: &str = "docs/decisions/dependencies.md";

/// The decisions that the index does not link to, and the links that lead nowhere.
pub(crate) fn complaints(tree: &Tree) -> Vec<Complaint> {
    let index = tree.get(INDEX).map_or("", String::as_str);
    let mut complaints = Vec::new();
    for path in
        tree.keys().filter(|path| path.starts_with(FOLDER) && has_extension(path, "md") && *path != INDEX)
    {
        if !index.contains(&format!("]({})", path.trim_start_matches(FOLDER))) {
            let what = format!("the decision is not linked from {INDEX}");
            complaints.push(Complaint {
                path: path.clone(),
                line: 1,
                what,
                advice: "add a line for it there",
            });
        }
    }
    for (line, text) in index.lines().enumerate() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if has_extension(link, "md")
                && !link.contains('/')
                && !tree.contains_key(&format!("{FOLDER}{link}"))
            {
                let what = format!("the link to `{link}` leads nowhere");
                let advice = "correct the name, or remove the line";
                complaints.push(Complaint { path: INDEX.to_owned(), line: line + 1, what, advice });
            }
        }
    }
    complaints
}

/// The dependencies of the workspace for which no reason is given.
pub(crate) fn dependency_complaints(tree: &Tree) -> Vec<Complaint> {
    let manifest = tree.get("Cargo.toml").map_or("", String::as_str);
    let reasons = tree.get(REASONS).map_or("", String::as_str);
    let mut in_section = false;
    let mut complaints = Vec::new();
    for (line, text) in manifest.lines().enumerate() {
        if text.starts_with('[') {
            in_section = text == "[workspace.dependencies]";
        } else if let Some((name, rest)) = text.split_once('=')
            && in_section
            && !text.starts_with('#')
            && !rest.contains("path = ")
            && !reasons.contains(&format!("- `{}`", name.trim()))
        {
            let what = format!("no reason is given for `{}`", name.trim());
            let advice = "add its line to docs/decisions/dependencies.md";
            complaints.push(Complaint { path: "Cargo.toml".to_owned(), line: line + 1, what, advice });
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::{INDEX, REASONS, complaints, dependency_complaints};
    use crate::Tree;

    fn check(index: &str, decisions: &[&str], expected: &[(&str, usize)]) {
        let mut tree: Tree =
            decisions.iter().map(|name| (format!("docs/decisions/{name}"), String::new())).collect();
        tree.insert(INDEX.to_owned(), index.to_owned());
        let complaints = complaints(&tree);
        let found: Vec<_> = complaints.iter().map(|found| (found.path.as_str(), found.line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_decision_that_the_index_forgets_is_found() {
        check("- [a](a.md)\n", &["a.md", "b.md"], &[("docs/decisions/b.md", 1)]);
    }

    #[test]
    fn a_link_to_no_decision_is_found() {
        check("- [a](a.md)\n- [gone](gone.md)\n", &["a.md"], &[(INDEX, 2)]);
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest = "[workspace.dependencies]\nevent = { path = \"x\" }\nredb = \"4\"\nzstd = \"1\"\n";
        let reasons = "- `redb`: the log\n";
        let files = [("Cargo.toml", manifest), (REASONS, reasons)];
        let tree: Tree = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let lines: Vec<usize> = dependency_complaints(&tree).iter().map(|found| found.line).collect();
        assert_eq!(lines, [4]);
    }
}
