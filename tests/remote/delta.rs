//! Of a file that changed a little, a little is sent; and of the manifest, too.

use super::{Hosts, noise, tree};
use backup::mirror::end::End;
use std::fs;
use std::sync::atomic::Ordering;

/// A place with some files that do not compress, after its first night.
fn before() -> Hosts {
    let hosts = Hosts::new();
    for n in 0..20 {
        hosts.write(&format!("deep/noise{n}"), &noise(100_000, n));
    }
    hosts.far().init(7).unwrap();
    hosts.night(&hosts.far());
    hosts
}

fn change(hosts: &Hosts) {
    for n in 0..20 {
        let mut bytes = noise(100_000, n);
        bytes.splice(30_000..30_000, *b"put in");
        bytes[80_000] ^= 1;
        hosts.write(&format!("deep/noise{n}"), &bytes);
    }
}

#[test]
fn a_night_of_small_changes_sends_what_differs() {
    let hosts = before();
    change(&hosts);
    hosts.wire.asked();
    let night = hosts.night(&hosts.far());
    let sent = hosts.wire.sent.load(Ordering::SeqCst);
    let asked = hosts.wire.asked();
    assert!(sent < 20 * 5_000, "{sent} bytes");
    let count = |word: &str| asked.iter().filter(|asked| *asked == word).count();
    assert!(count("Patch") >= 2 && count("Signatures") >= 1 && count("Read") == 0, "{asked:?}");
    assert_eq!(night.applied.failed, 0);
    assert_eq!(tree(&hosts.at("source")), tree(&hosts.at("far")));
    let again = hosts.night(&hosts.far());
    assert_eq!((again.survey.actions, again.record.root), (0, night.record.root));
}

#[test]
fn where_the_earlier_version_is_damaged_the_file_is_sent_whole() {
    let hosts = before();
    for pack in walkdir::WalkDir::new(hosts.at("far/.backup/store/packs")) {
        let pack = pack.unwrap();
        let mut bytes = fs::read(pack.path()).unwrap_or_default();
        // Only content fills so much.
        if bytes.len() > 1 << 20 {
            for at in (1000..bytes.len() - 100_000).step_by(5_000) {
                bytes[at] ^= 1;
            }
            fs::write(pack.path(), bytes).unwrap();
        }
    }
    change(&hosts);
    hosts.wire.asked();
    let night = hosts.night(&hosts.far());
    assert!(hosts.wire.sent.load(Ordering::SeqCst) > 1_000_000);
    assert_eq!(night.applied.failed, 0);
    assert_eq!(tree(&hosts.at("source")), tree(&hosts.at("far")));
}
