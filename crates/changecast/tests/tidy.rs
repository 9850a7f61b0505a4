//! The rules that the compiler does not know: which layer may import which, and what no source
//! file may hold. Each rule is tried on snippets that break it, so that it is known to bite.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod tidy {
    pub(crate) mod imports;
    pub(crate) mod rules;
    mod snippets;
}

use std::path::{Path, PathBuf};

use tidy::rules::File;

#[test]
fn every_source_file_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files.sort();
    assert!(files.len() > 30, "only {} files: is this the right place?", files.len());
    let mut offences = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        offences.extend(File { path: &path, text: &text }.check());
    }
    let list: String = offences.iter().map(|offence| format!("  {offence}\n")).collect();
    assert!(offences.is_empty(), "{} offences:\n{list}", offences.len());
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
