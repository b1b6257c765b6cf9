//! Far ends that are small shell scripts: commands, last words, ends that do not come.

use super::{Far, Options, command};
use crate::remote::Error;
use crate::remote::frame::Hello;
use crate::table::Rsh;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn rsh(text: &str) -> Rsh {
    Rsh::parse(text.as_bytes()).unwrap()
}

fn words(host: &str, of_target: Option<&str>, env: Option<&str>) -> Vec<String> {
    let (command, _) = command(host, of_target.map(rsh).as_ref(), env.map(OsStr::new)).unwrap();
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    all.map(|word| word.to_str().unwrap().to_owned()).collect()
}

/// A script that stands for ssh and the other host, and what was heard of it.
fn call(script: &str, options: Options) -> (Result<Far, Error>, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let tell = Box::new(move |line: &str| ears.lock().unwrap().push(line.to_owned()));
    (Far::start("uhane", Some(&rsh(&format!("sh -c '{script}'"))), None, Options { tell, ..options }), heard)
}

fn quick() -> Options {
    Options { grace: Duration::from_millis(300), silence: Duration::from_secs(5), ..Options::default() }
}

fn hello() -> String {
    let version = Hello::ours().program;
    format!(r#"printf "BKUPWIRE\\001\\000\\{:03o}\\000{version}";"#, version.len())
}

fn failed(script: &str) -> Error {
    call(script, quick()).0.err().unwrap()
}

#[test]
fn only_the_host_and_two_words_follow_the_command() {
    let ssh = "-T -x -a -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4 -- uhane backup -agent";
    for (target, env, before) in [
        (None, None, "ssh"),
        (None, Some("/usr/bin/ssh -p 2222"), "/usr/bin/ssh -p 2222"),
        (Some("ssh -p 22"), Some("never"), "ssh -p 22"),
    ] {
        assert_eq!(words("uhane", target, env).join(" "), format!("{before} {ssh}"));
    }
    assert_eq!(words("uhane", Some("my-ssh -4"), None).join(" "), "my-ssh -4 uhane backup -agent");
}

#[test]
fn hosts_and_commands_that_cannot_be_are_refused() {
    for host in ["-oProxyCommand=id", "-", ""] {
        assert!(matches!(command(host, None, None), Err(Error::Unstartable { .. })), "{host}");
    }
    for env in ["", "  ", "ssh 'x"] {
        assert!(matches!(command("uhane", None, Some(OsStr::new(env))), Err(Error::Unstartable { .. })), "{env:?}");
    }
    let error = Far::start("uhane", Some(&rsh("/no/such/program")), None, quick()).err().unwrap();
    assert!(error.to_string().starts_with("cannot reach uhane by /no/such/program: No such file"), "{error}");
}

#[test]
fn a_far_end_without_backup_gives_the_line_that_installs_it() {
    for script in [
        "exit 127",
        "echo \"bash: backup: command not found\" >&2; exit 1",
        "echo \"error: unrecognized subcommand\" >&2; exit 64",
    ] {
        let error = failed(script);
        assert!(matches!(error, Error::NotInstalled { .. }), "{script}: {error}");
        let message = error.to_string();
        assert!(message.contains("scp /") && message.ends_with(" uhane:/usr/local/bin/backup"), "{message}");
    }
}

#[test]
fn a_far_end_that_dies_is_told_with_its_last_words() {
    let error = failed("cat >/dev/null & echo one >&2; printf \"two\\033[2J\\n\" >&2; exit 9").to_string();
    assert!(error.contains("went away: one; two\\x1b[2J ("), "{error}");
    let error = failed("cat >/dev/null & exit 9").to_string();
    assert!(error.contains("went away: exit status: 9 ("), "{error}");

    let (far, heard) = call(&format!("{} head -c 10 >/dev/null; echo dying >&2; kill -9 $$", hello()), quick());
    let far = far.unwrap();
    let error = far.talk().receive().unwrap_err().to_string();
    assert!(error.contains("signal: 9") && error.contains("dying"), "{error}");
    assert_eq!(far.talk().send(b"x").unwrap_err().to_string(), error);
    drop(far);
    assert_eq!(*heard.lock().unwrap(), Vec::<String>::new(), "once is enough");
}

#[test]
fn what_a_far_end_says_is_told_in_order_and_all_of_it() {
    let script = format!("{} for n in 1 2 3 4 5 6 7 8; do echo backup: $n >&2; done; head -c 1000 >/dev/null", hello());
    let (far, heard) = call(&script, quick());
    drop(far.unwrap());
    assert_eq!(heard.lock().unwrap().concat(), "12345678");
}

#[test]
fn ssh_that_fails_is_told_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    let script = "#!/bin/sh\necho \"ssh: connect to host uhane port 22: Connection refused\" >&2\nexit 255\n";
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = Far::start("uhane", None, Some(ssh.as_os_str()), quick()).err().unwrap().to_string();
    assert!(
        error.starts_with("uhane cannot be reached: ssh: connect to host uhane port 22: Connection refused ("),
        "{error}"
    );
}

#[test]
fn a_banner_is_told_and_the_program_does_not_stay() {
    let begun = Instant::now();
    let error = failed("echo Welcome to uhane; exec sleep 100");
    assert!(error.to_string().contains("\"Welcome to uhane\""), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn an_agent_that_does_not_end_is_killed_after_the_grace() {
    let (far, heard) = call(&format!("trap \"\" TERM; {} echo $$ >&2; exec sleep 100", hello()), quick());
    let far = far.unwrap();
    while heard.lock().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let process = Path::new("/proc").join(heard.lock().unwrap()[0].as_str());
    assert!(process.exists());
    let begun = Instant::now();
    drop(far);
    assert!((300..2500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert!(!process.exists(), "neither alive nor a zombie");
}

#[test]
fn an_agent_that_sees_the_end_of_its_pipe_is_not_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let script = format!("{} cat >/dev/null; sleep 0.1; touch {}", hello(), mark.display());
    let grace = Duration::from_secs(5);
    let begun = Instant::now();
    drop(call(&script, Options { grace, ..quick() }).0.unwrap());
    assert!(mark.exists(), "it had the time to do what it had to");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn a_silent_far_end_is_given_up() {
    let silence = Duration::from_millis(300);
    let (far, _) = call(&format!("{} exec sleep 100", hello()), Options { silence, ..quick() });
    let error = far.unwrap().talk().receive().unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(matches!(call("exec sleep 100", Options { silence, ..quick() }).0, Err(Error::Silent { .. })));
}
