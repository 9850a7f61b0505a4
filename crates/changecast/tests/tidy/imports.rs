//! Finds what a file names: as much of Rust as `use` and paths take, line by line.

/// The lines of code with their numbers: without comments and, unless wanted, without the test
/// module that ends the file.
pub(crate) fn code_lines(text: &str, with_tests: bool) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut is_after_cfg_test = false;
    for (index, line) in text.lines().enumerate() {
        let code = strip_comment(line);
        let is_module = code.starts_with("mod ") && code.trim_end().ends_with('{');
        if !with_tests && is_after_cfg_test && is_module {
            break;
        }
        is_after_cfg_test = code.trim() == "#[cfg(test)]";
        lines.push((index + 1, code));
    }
    lines
}

/// What stands before `//`; after a colon that is a URL in a string.
fn strip_comment(line: &str) -> &str {
    let is_comment = |at: &usize| !line[..*at].ends_with(':');
    line.match_indices("//").map(|(at, _)| at).find(is_comment).map_or(line, |at| &line[..at])
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `word` stands in `code` by itself, not as a part of a longer name.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let is_longer_after =
            word.ends_with(is_name) && code[at + word.len()..].starts_with(is_name);
        !code[..at].ends_with(is_name) && !is_longer_after
    })
}

/// Every path that begins with `crate::` or climbs by `super::`, from the crate's root, with its
/// line; `{…}` is spelled out.
pub(crate) fn targets(text: &str, module: &[&str]) -> Vec<(usize, Vec<String>)> {
    let code: String =
        code_lines(text, false).iter().map(|(_, code)| format!("{code}\n")).collect();
    let mut found = Vec::new();
    for (at, keyword) in starts(&code) {
        let line = code[..at].matches('\n').count() + 1;
        let mut rest = &code[at + keyword.len()..];
        let mut root: &[&str] = &[];
        if keyword == SUPER {
            let mut climbed = 1;
            while let Some(further) = rest.strip_prefix(SUPER) {
                (rest, climbed) = (further, climbed + 1);
            }
            root = &module[..module.len().saturating_sub(climbed)];
        }
        let prefix: Vec<String> = root.iter().map(ToString::to_string).collect();
        let mut paths = Vec::new();
        spell_out(rest, &prefix, &mut paths);
        found.extend(paths.into_iter().map(|path| (line, path)));
    }
    found
}

const CRATE: &str = "crate::";
const SUPER: &str = "super::";

fn starts(code: &str) -> Vec<(usize, &'static str)> {
    let mut starts = Vec::new();
    for keyword in [CRATE, SUPER] {
        for (at, _) in code.match_indices(keyword) {
            let before = &code[..at];
            if !before.ends_with(SUPER) && !before.ends_with(is_name) {
                starts.push((at, keyword));
            }
        }
    }
    starts
}

/// Reads `a::b`, `a::{b, c::d}` and the like, and gives what follows.
fn spell_out<'a>(text: &'a str, prefix: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            return spell_out_group(group, &path, paths);
        }
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        if !name.is_empty() && name != "self" {
            path.push(name.to_owned());
        }
        match after.strip_prefix("::") {
            Some(next) => rest = next,
            None => {
                paths.push(path);
                let alias = after.trim_start().strip_prefix("as ");
                return alias.map_or(after, |alias| alias.trim_start_matches(is_name));
            }
        }
    }
}

/// Reads up to the brace that closes the group.
fn spell_out_group<'a>(text: &'a str, path: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let mut rest = text.trim_start();
    loop {
        if let Some(end) = rest.strip_prefix('}') {
            return end;
        }
        let after = spell_out(rest, path, paths).trim_start();
        let next = after.strip_prefix(',').unwrap_or(after).trim_start();
        if next.len() == rest.len() {
            // Not a list of paths after all.
            return next;
        }
        rest = next;
    }
}
