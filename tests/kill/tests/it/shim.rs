//! The VFS shims do what the suites rely on.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Result};
use tempfile::TempDir;

fn open(folder: &Path, vfs: &str, synchronous: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let db = Connection::open_with_flags_and_vfs(folder.join("a.db"), flags, vfs)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    Ok(db)
}

/// What a power failure now would leave: the files as the disk has them.
fn rows_after_power_failure(folder: &Path) -> i64 {
    let copy = tempfile::tempdir().unwrap();
    for file in ["a.db", "a.db-wal"] {
        if folder.join(file).exists() {
            std::fs::copy(folder.join(file), copy.path().join(file)).unwrap();
        }
    }
    let db = Connection::open(copy.path().join("a.db")).unwrap();
    db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

fn with_table(vfs: &str, synchronous: &str) -> (TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path(), vfs, synchronous).unwrap();
    db.execute_batch("CREATE TABLE t (x); PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    (folder, db)
}

#[test]
fn unsynced_writes_are_forgotten_and_synced_ones_kept() {
    for (synchronous, kept) in [("FULL", 3), ("NORMAL", 0)] {
        let (folder, db) = with_table("forgetful", synchronous);
        for _ in 0..3 {
            db.execute("INSERT INTO t VALUES (zeroblob(5000))", []).unwrap();
        }
        assert_eq!(rows_after_power_failure(folder.path()), kept, "{synchronous}");
        // Within the process nothing is missing, not even on another connection.
        let other = open(folder.path(), "forgetful", synchronous).unwrap();
        let seen: i64 = other.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(seen, 3, "{synchronous}");
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        assert_eq!(rows_after_power_failure(folder.path()), 3, "{synchronous}, after a checkpoint");
    }
}

#[test]
fn a_full_disk_refuses_growth_until_there_is_room_again() {
    let (folder, db) = with_table("bounded", "FULL");
    let marker = folder.path().join("a.db-full");
    std::fs::write(&marker, "").unwrap();
    let refused = db.execute("INSERT INTO t VALUES (zeroblob(5000))", []).unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    std::fs::remove_file(&marker).unwrap();
    db.execute("INSERT INTO t VALUES (zeroblob(5000))", []).unwrap();
    assert_eq!(rows_after_power_failure(folder.path()), 1);
}
