//! How other hosts are reached, from options and environment (floor 7).

use super::Failure;
use super::out::stderr;
use super::table::Found;
use crate::ops::hosts::Hosts;
use crate::remote::throttle::{Throttle, parse};
use std::path::PathBuf;
use std::sync::Arc;

/// As the operator has it.
pub(super) fn hosts(found: &Found, bwlimit: Option<&str>) -> Result<Hosts, Failure> {
    let rate = bwlimit.map(parse).transpose();
    let rate = rate.map_err(|e| Failure::usage(format!("--bwlimit: {e}")))?;
    Ok(Hosts {
        this_host: found.this_host().to_owned(),
        folder: found.folder().to_path_buf(),
        rsh: std::env::var_os("BACKUP_RSH").filter(|value| !value.is_empty()),
        throttle: rate.map(|rate| Arc::new(Throttle::new(rate))),
        cache: cache(),
        tell: Arc::new(|host, line| stderr(&format!("backup: {host}: {line}"))),
    })
}

/// Where this user keeps what can be had again: `$XDG_CACHE_HOME/backup`, else `~/.cache/backup`.
pub(super) fn cache() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("backup"))
}
