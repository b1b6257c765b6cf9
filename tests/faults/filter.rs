//! Makes a child that stops before each of certain system calls. The one place with `unsafe`: what a child does between fork and exec.

use nix::libc::{
    self, BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP,
    SECCOMP_MODE_FILTER, SECCOMP_RET_ALLOW, SECCOMP_RET_TRACE, c_long, sock_filter, sock_fprog,
};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Offset of the number of the call in `struct seccomp_data`.
const NUMBER: u32 = 0;

fn code(bits: u32) -> u16 {
    u16::try_from(bits).expect("a code of 16 bits")
}

/// For each call: the next line, which traces it, or the one after that. At the end all is allowed.
fn program(calls: &[c_long]) -> Vec<sock_filter> {
    let line = |bits, k, jf| sock_filter { code: code(bits), jt: 0, jf, k };
    let mut lines = vec![line(BPF_LD | BPF_W | BPF_ABS, NUMBER, 0)];
    for &call in calls {
        lines.push(line(BPF_JMP | BPF_JEQ | BPF_K, u32::try_from(call).expect("a number of a call"), 1));
        lines.push(line(BPF_RET | BPF_K, SECCOMP_RET_TRACE, 0));
    }
    lines.push(line(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0));
    lines
}

/// The program, once started, is traced by the thread that starts it and stops at these calls; it is stopped when it begins.
#[expect(
    unsafe_code,
    reason = "there is no other way to a child that is traced and filtered from its first instruction"
)]
pub(crate) fn trace(command: &mut Command, calls: &[c_long]) {
    let mut lines = program(calls);
    let begin = move || {
        let filter = sock_fprog { len: u16::try_from(lines.len()).unwrap_or(0), filter: lines.as_mut_ptr() };
        nix::sys::ptrace::traceme()?;
        // SAFETY: prctl only reads the filter, which lives until it returns.
        let done = unsafe {
            libc::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                | libc::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const filter)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec there are three system calls and nothing else: no allocation, no lock.
    unsafe {
        command.pre_exec(begin);
    }
}
