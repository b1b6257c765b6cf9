//! Mirrors on file systems that are not like the others. Needs root, to mount them.

use crate::support::{Site, noise, we_are_root};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Mounted until it is dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(kind: &str, options: &str, at: &'a Path) -> Self {
        assert!(we_are_root(), "this test mounts a file system: run it as root");
        let done = Command::new("mount").args(["-t", kind, "-o", options, "none"]).arg(at).status().unwrap();
        assert!(done.success(), "mount -t {kind} -o {options}");
        Self(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// A stacked file system may answer a sync of the whole without doing it: there each file is synced by itself.
#[test]
fn a_mirror_on_an_overlay_follows() {
    let site = Site::new();
    let [low, up, work] = ["low", "up", "work"].map(|name| site.path(name));
    for folder in [&low, &up, &work, &site.mirror("")] {
        fs::create_dir(folder).unwrap();
    }
    fs::create_dir_all(low.join("d/of-below")).unwrap();
    fs::write(low.join("d/of-below/file"), "to be adopted").unwrap();
    let options = format!("lowerdir={},upperdir={},workdir={}", low.display(), up.display(), work.display());
    let root = site.mirror("");
    let mounted = Mounted::new("overlay", &options, &root);
    for n in 0..40 {
        site.write(format!("d/{n}"), noise(n, 500 * usize::try_from(n).unwrap()));
        site.write(format!("d/of-below/{n}"), "x");
    }
    let mut nights = vec![site.init()];
    site.write("d/3", "changed");
    fs::remove_file(site.src("d/4")).unwrap();
    fs::rename(site.src("d/of-below"), site.src("d/moved")).unwrap();
    fs::remove_file(site.src("d/5")).unwrap();
    fs::create_dir(site.src("d/5")).unwrap();
    fs::hard_link(site.src("d/6"), site.src("d/5/linked")).unwrap();
    nights.push(site.night());
    nights.push(site.night());
    site.run("-check data --data").ended(0).in_peace();
    site.all_restore(&nights);
    drop(mounted);
}
