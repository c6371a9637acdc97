//! Reading a real folder: links, sizes, encodings.

use std::fs;
use std::path::PathBuf;

use tidings_contracts::{FILE_SIZE_MAX, Registry};

const CONTRACT: &str = r#"{ "x-owner": "orders", "type": "object", "additionalProperties": false }"#;

#[test]
fn what_is_not_a_plain_small_file_inside_is_refused() {
    let root = folder("refused");
    let event = root.join("schemas/orders.placed");
    fs::create_dir_all(&event).unwrap();
    fs::write(root.join("outside.json"), CONTRACT).unwrap();
    fs::write(event.join("v1.json"), CONTRACT).unwrap();
    let large = format!("{CONTRACT}{}", " ".repeat(FILE_SIZE_MAX as usize));
    fs::write(event.join("v2.json"), large).unwrap();
    fs::write(event.join("v3.json"), b"{\n \"\xc3\xa9\xff\"").unwrap();
    fs::write(event.join("v7.JSON"), CONTRACT).unwrap();
    fs::write(event.join("notes.md"), "any other file is left alone").unwrap();
    fs::write(event.join(".v9.json"), "so is a hidden one").unwrap();
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        fs::write(event.join(std::ffi::OsStr::from_bytes(b"v8\xff.json")), CONTRACT).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(root.join("outside.json"), event.join("v4.json")).unwrap();
        symlink("v1.json", event.join("v5.json")).unwrap();
        symlink(&root, root.join("schemas/out.side")).unwrap();
        symlink("nowhere", event.join("v6.json")).unwrap();
    }
    let loaded = Registry::read(&root.join("schemas"));
    let found: Vec<String> = loaded
        .problems
        .iter()
        .map(|problem| {
            let path = problem.path.strip_prefix(&root).unwrap();
            format!("{}:{}:{}: {}", path.display(), problem.line, problem.column, problem.message)
        })
        .collect();
    for expected in [
        "v2.json:1:1: is larger than 1048576 bytes",
        "v3.json:2:4: is not UTF-8, from byte 6 on",
        "v7.JSON:1:1: is left out",
        #[cfg(target_os = "linux")]
        "its name is not UTF-8",
        #[cfg(unix)]
        "v4.json:1:1: is a symbolic link to a place outside of the registry",
        #[cfg(unix)]
        "v6.json:1:1: cannot be read",
        #[cfg(unix)]
        "out.side:1:1: is a symbolic link to a place outside of the registry",
    ] {
        assert!(found.iter().any(|line| line.contains(expected)), "{expected}: {found:#?}");
    }
    let versions: Vec<u32> = loaded.registry.contracts().map(|it| it.version).collect();
    assert_eq!(versions, if cfg!(unix) { vec![1, 5] } else { vec![1] });
}

#[test]
fn a_missing_folder_is_a_problem() {
    let error = Registry::load(&folder("missing").join("schemas")).unwrap_err();
    assert!(error.to_string().contains("cannot open the registry's folder"), "{error}");
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}
