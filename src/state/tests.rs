use super::*;

fn store(directory: &Path) -> Store {
    Store::open(directory, Box::new(RealDisk)).unwrap()
}

fn commit(store: &mut Store) {
    store.commit(ledger::Saved::default(), SavedFollower::default()).unwrap();
}

fn sequence(directory: &Path) -> u64 {
    store(directory).load().state.unwrap().sequence
}

#[test]
fn what_was_committed_last_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = store(directory.path());
    let found = one.load();
    assert!(found.state.is_none() && found.unusable.is_none());
    for _ in 0..3 {
        commit(&mut one);
    }
    drop(one);
    let found = store(directory.path()).load();
    assert!(found.state.is_some_and(|s| s.sequence == 3) && found.unusable.is_none());
}

#[test]
fn a_large_state_is_written_in_pieces() {
    let directory = tempfile::tempdir().unwrap();
    let catalogue = crate::catalogue::Catalogue::built_in();
    let mut ledger = ledger::Ledger::new(50);
    for pod in 0..300 {
        ledger.open([("pod".to_string(), format!("chat-{pod}"))].into(), &catalogue);
    }
    let mut one = store(directory.path());
    one.commit(ledger.save(), SavedFollower::default()).unwrap();
    assert!(one.buffer.capacity() <= 2 * PIECE);
    drop(one);
    let path = directory.path().join(CURRENT);
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 2 * PIECE);
    assert_eq!(parse(&whole).unwrap().ledger, ledger.save());
    for cut in [0, PIECE / 2, PIECE, 2 * PIECE, whole.len() - 1] {
        assert!(parse(&whole[..cut]).is_err(), "{cut}");
    }
    let mut changed = whole;
    changed[PIECE + 7] ^= 1;
    assert!(matches!(parse(&changed), Err(Fault::Torn)));
}

#[test]
fn a_sealed_first_line_is_no_state() {
    let head = format!("{MAGIC} {VERSION}");
    let bytes = format!("{head}\n{:016x} {}\n", xxh3_64(head.as_bytes()), head.len());
    assert!(matches!(parse(bytes.as_bytes()), Err(Fault::Torn)));
}

#[test]
fn a_second_exporter_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _one = store(directory.path());
    let refused = Store::open(directory.path(), Box::new(RealDisk)).unwrap_err();
    assert!(refused.to_string().contains("another zai-exporter"), "{refused}");
}

#[test]
fn a_file_that_cannot_be_used_is_kept_aside() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = store(directory.path());
    commit(&mut one);
    drop(one);
    let path = directory.path().join("state.json");
    let whole = fs::read(&path).unwrap();
    for (bytes, expected) in [
        (whole[..whole.len() - 1].to_vec(), "checksum"),
        (b"{}".to_vec(), "no state file"),
        (Vec::new(), "no state file"),
        (format!("{MAGIC} 99 0 0\n").into_bytes(), "version 99"),
    ] {
        fs::write(&path, bytes).unwrap();
        let Found { state: None, unusable: Some((fault, aside)) } = store(directory.path()).load() else {
            panic!("used")
        };
        assert!(fault.to_string().contains(expected), "{fault}");
        assert!(aside.exists() && !path.exists());
    }
}

#[test]
fn a_commit_that_was_written_and_not_renamed_is_finished_whatever_became_of_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let [current, new] = [CURRENT, NEW].map(|name| directory.path().join(name));
    let mut one = store(directory.path());
    commit(&mut one);
    let first = fs::read(&current).unwrap();
    commit(&mut one);
    let second = fs::read(&current).unwrap();
    drop(one);
    for before in [Some(&first[..]), Some(&first[..first.len() - 1]), Some(b""), None] {
        fs::write(&new, &second).unwrap();
        match before {
            Some(bytes) => fs::write(&current, bytes).unwrap(),
            None => fs::remove_file(&current).unwrap(),
        }
        assert_eq!(sequence(directory.path()), 2);
        // A kill right after the start does not lose it.
        assert_eq!(fs::read(&current).unwrap(), second);
    }
    fs::write(&new, &first).unwrap();
    assert_eq!(sequence(directory.path()), 2, "an older one is none");
    fs::write(&new, &second[..second.len() / 2]).unwrap();
    assert_eq!(sequence(directory.path()), 2, "and neither is a torn one");
}

#[test]
fn what_a_newer_version_wrote_does_not_give_way_to_an_older_commit() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = store(directory.path());
    commit(&mut one);
    drop(one);
    fs::rename(directory.path().join(CURRENT), directory.path().join(NEW)).unwrap();
    fs::write(directory.path().join(CURRENT), format!("{MAGIC} 99 0 0\n")).unwrap();
    let found = store(directory.path()).load();
    assert!(matches!(found, Found { state: None, unusable: Some((Fault::Newer(99), _)) }), "{found:?}");
}

#[test]
fn a_loss_of_power_leaves_the_last_commit_that_was_synced() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = store(directory.path());
    for round in 1..=3 {
        commit(&mut one);
        one.keep().unwrap();
        commit(&mut one);
        // The rename was kept, the content was not.
        fs::write(directory.path().join(CURRENT), "").unwrap();
        drop(one);
        one = store(directory.path());
        let found = one.load();
        assert_eq!(found.state.unwrap().sequence, round);
        assert!(found.unusable.unwrap().1.exists());
    }
}

#[test]
fn a_start_that_ends_before_its_first_commit_loses_nothing_for_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = store(directory.path());
    commit(&mut one);
    one.keep().unwrap();
    commit(&mut one);
    drop(one);
    fs::write(directory.path().join(CURRENT), "").unwrap();
    assert_eq!(sequence(directory.path()), 1);
    assert!(!directory.path().join(CURRENT).exists(), "put aside, and nothing was committed");
    assert_eq!(sequence(directory.path()), 1);
}

#[test]
fn a_directory_that_begins_anew_holds_nothing_that_a_start_would_take() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = store(directory.path());
    for _ in 0..2 {
        commit(&mut one);
        one.keep().unwrap();
    }
    commit(&mut one);
    let aside = one.put_all_aside();
    assert_eq!(parse(&fs::read(&aside).unwrap()).unwrap().sequence, 3);
    drop(one);
    assert!(store(directory.path()).load().state.is_none());
    let nothing = tempfile::tempdir().unwrap();
    assert!(!store(nothing.path()).put_all_aside().exists());
}

#[test]
fn a_state_that_cannot_be_read_for_now_is_not_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    // What stands for a disk that fails: it is there and cannot be read.
    fs::create_dir(directory.path().join(CURRENT)).unwrap();
    let refused = Store::open(directory.path(), Box::new(RealDisk)).unwrap_err();
    assert!(refused.to_string().contains("cannot read") && refused.to_string().contains(CURRENT), "{refused}");
    assert!(directory.path().join(CURRENT).exists());
}

#[test]
fn a_first_line_that_no_version_writes_is_foreign() {
    let file = |head: &str| {
        let state = format!("{head}\n{}", serde_json::to_string(&<State>::default()).unwrap());
        format!("{state}\n{:016x} {}\n", xxh3_64(state.as_bytes()), state.len())
    };
    assert!(parse(file(&format!("{MAGIC} {VERSION}")).as_bytes()).is_ok());
    for version in ["1 more", "1 ", "+1", "01", "0"] {
        assert!(matches!(parse(file(&format!("{MAGIC} {version}")).as_bytes()), Err(Fault::Foreign)), "{version}");
    }
}

#[test]
fn any_cut_or_changed_byte_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = store(directory.path());
    commit(&mut one);
    let whole = fs::read(directory.path().join("state.json")).unwrap();
    for len in 0..whole.len() {
        assert!(parse(&whole[..len]).is_err());
        let mut changed = whole.clone();
        changed[len] ^= 1;
        assert!(parse(&changed).is_err() || changed[len] == b'\n', "byte {len}");
    }
}
