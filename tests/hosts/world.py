"""Three hosts on one machine, named as the observatory's are, each with a network, a name, a root folder, a disk and a real sshd of its own.

    world.enter()                       first of all in a program: it begins again, in namespaces of its own
    with World(folder, program) as w:
        w.on("naio", "ssh uhane ls")    what it printed, its exit code; as the operator `ptolemy`, or user="root"
        w.disk("uhane")                 the folder that is /local/data there
        w.processes("mamane")           what runs there: {pid: command line}
        w.unplug("uhane"); w.plug("uhane")

Each host sees /usr of this machine, and beside it an /etc, /home, /root, /tmp and /usr/local/bin of its own (`folder`/HOST/...), the last with the program
in it. With keys=False no user has a key yet, and no host knows another. sshd="ptolemy" starts each sshd as that ordinary user, whom alone it can serve then.
What must stay true: nothing outside `folder` is touched, and all of it ends with the program, however that is killed: it is process 1 of a pid
namespace, and mounts, addresses and names are in namespaces that nobody else is in. So any number of worlds may be up at the same time.
Needs root, Linux, Python 3.9, and Debian's iproute2, util-linux, openssh-server and openssh-client.
"""
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HOSTS = {"uhane": "10.77.0.1", "mamane": "10.77.0.2", "naio": "10.77.0.3"}
OPERATOR, ID = "ptolemy", 4242
HOMES = {OPERATOR: "/home/" + OPERATOR, "root": "/root"}
INSIDE = "BACKUP_HOSTS_INSIDE"

SSHD = """Port 22
HostKey {etc}/ssh_host_ed25519_key
AuthorizedKeysFile .ssh/authorized_keys
PasswordAuthentication no
UsePAM no
PidFile none
MaxStartups 100
Subsystem sftp internal-sftp
"""

# In namespaces of its own, with the folder of the host as the first word and its name as the second: builds the root, moves there, says so, and waits
# for the end of its input.
HOST = r"""
set -eu
cd "$1"
mount -t tmpfs -o mode=755 "$2" root
for link in bin sbin lib lib32 lib64 libx32; do [ ! -L /$link ] || cp -d /$link root/; done
mkdir -p root/usr root/proc root/sys root/dev root/run/sshd root/var/empty root/var/tmp root/old
chmod 1777 root/var/tmp
mount --bind /usr root/usr
mount --bind bin root/usr/local/bin
for at in proc sys dev; do mount --rbind /$at root/$at; done
for at in etc home root tmp local/data; do mkdir -p root/$at; mount --bind "own/$at" root/$at; done
hostname "$2"
ip link set lo up
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
cd root
pivot_root . old
umount -l old
rmdir old
echo ready
exec cat
"""


class Failed(Exception):
    """A command that had to succeed did not."""


def enter():
    """Begins this program again as process 1 of new namespaces, and ends with it; where this one is killed, that one is too."""
    if os.environ.get(INSIDE) is None:
        if os.geteuid() != 0:
            sys.exit(f"{sys.argv[0]}: needs root")
        unshare = ["unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        inside = ["setpriv", "--pdeathsig", "KILL", *unshare, sys.executable, *sys.argv]
        try:
            sys.exit(subprocess.run(inside, env={**os.environ, INSIDE: "1"}, check=False).returncode)
        except KeyboardInterrupt:
            sys.exit(130)


def must(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace", check=False, **options)
    if done.returncode != 0:
        raise Failed(f"exit {done.returncode} of {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


class World:
    def __init__(self, folder, program=None, keys=True, sshd="root"):
        self.folder, self.keys, self.sshd = Path(folder).resolve(), keys, sshd
        self.anchors, self.children = {}, []
        if self.folder.exists():
            shutil.rmtree(self.folder)
        must("ip", "link", "set", "lo", "up")
        must("ip", "link", "add", "bridge", "type", "bridge")
        must("ip", "addr", "add", "10.77.0.254/24", "dev", "bridge")
        must("ip", "link", "set", "bridge", "up")
        for host in HOSTS:
            self.furnish(host)
            if program:
                self.install(host, program, "backup")
        for host in HOSTS:
            self.know(host)
            self.start(host)
        self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in [*self.children, *self.anchors.values()]:
            child.kill()
            child.wait()
        for host in HOSTS:
            for pid in self.processes(host):
                os.kill(pid, signal.SIGKILL)

    # -------------------------------------------------------------------------------------------------- what is made once

    def furnish(self, host):
        """The folders of a host, its users and their keys."""
        at = self.folder / host
        for name in ["root", "bin", "own/home", "own/root", "own/local/data", "own/tmp"]:
            (at / name).mkdir(parents=True)
        (at / "own/tmp").chmod(0o1777)
        (at / "own/root").chmod(0o700)
        etc = at / "own/etc"
        shutil.copytree("/etc", etc, symlinks=True)
        for name, line in {"passwd": f"{OPERATOR}:x:{ID}:{ID}::{HOMES[OPERATOR]}:/bin/sh", "group": f"{OPERATOR}:x:{ID}:",
                           "shadow": f"{OPERATOR}:*:19000:0:99999:7:::"}.items():
            old = [row for row in (etc / name).read_text().splitlines() if not row.startswith((OPERATOR + ":", "root:"))]
            root = {"passwd": "root:x:0:0:root:/root:/bin/sh", "group": "root:x:0:", "shadow": "root:*:19000:0:99999:7:::"}[name]
            (etc / name).write_text("\n".join([root, *old, line]) + "\n")
        (etc / "hostname").write_text(host + "\n")
        (etc / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in HOSTS.items()))
        shutil.rmtree(etc / "ssh", ignore_errors=True)
        for user in HOMES:
            (self.home(host, user) / ".ssh").mkdir(parents=True, mode=0o700)
            if self.keys:
                must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{user}@{host}", "-f", self.home(host, user) / ".ssh/id_ed25519")
        ours = etc / "ssh" if self.sshd == "root" else self.home(host, self.sshd) / "sshd"
        for folder in {etc / "ssh", ours}:
            folder.mkdir()
        must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host, "-f", ours / "ssh_host_ed25519_key")
        seen = "/etc/ssh" if self.sshd == "root" else HOMES[self.sshd] + "/sshd"
        (ours / "sshd_config").write_text(SSHD.format(etc=seen))
        self.own(host)
        disk = self.disk(host)
        os.chown(disk, ID, ID)

    def know(self, host):
        """Lets the users of all hosts in, and tells this host the others' keys."""
        ours = "own/etc/ssh" if self.sshd == "root" else f"own{HOMES[self.sshd]}/sshd"
        known = [f"{other} {(self.folder / other / ours / 'ssh_host_ed25519_key.pub').read_text()}" for other in HOSTS]
        if self.keys:
            (self.folder / host / "own/etc/ssh/ssh_known_hosts").write_text("".join(known))
        for user in HOMES if self.keys else []:
            keys = [(self.home(other, user) / ".ssh/id_ed25519.pub").read_text() for other in HOSTS]
            (self.home(host, user) / ".ssh/authorized_keys").write_text("".join(keys))
        self.own(host)

    def own(self, host):
        must("chown", "-R", f"{ID}:{ID}", self.home(host, OPERATOR))

    def start(self, host):
        """Namespaces, a cable, and sshd."""
        at = self.folder / host
        words = ["unshare", "--net", "--mount", "--uts", "sh", "-c", HOST, "host", str(at), host]
        anchor = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.anchors[host] = anchor
        if anchor.stdout.readline() != "ready\n":
            raise Failed(f"the host {host} could not be made")
        must("ip", "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", anchor.pid)
        must("ip", "link", "set", host, "master", "bridge", "up")
        for line in [f"ip addr add {HOSTS[host]}/24 dev eth0", "ip link set eth0 up"]:
            must(*self.words(host, line, "root"))
        config = "/etc/ssh/sshd_config" if self.sshd == "root" else HOMES[self.sshd] + "/sshd/sshd_config"
        command = f"exec /usr/sbin/sshd -D -e -f {config}"
        log = open(at / "sshd.log", "wb")
        self.children.append(subprocess.Popen(self.words(host, command, self.sshd), stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def wait(self):
        """Until each sshd answers."""
        for host in HOSTS:
            for _ in range(200):
                if subprocess.run(self.words("naio", f"exec ssh-keyscan -T 1 {host}", OPERATOR), capture_output=True, check=False).stdout:
                    break
                time.sleep(0.05)
            else:
                raise Failed(f"sshd of {host} does not answer: {(self.folder / host / 'sshd.log').read_text()}")

    # ------------------------------------------------------------------------------------------------------ what tests use

    def disk(self, host):
        return self.folder / host / "own/local/data"

    def home(self, host, user=OPERATOR):
        return self.folder / host / ("own" + HOMES[user])

    def install(self, host, program, name):
        """A program into /usr/local/bin of a host."""
        shutil.copy(program, self.folder / host / "bin" / name)
        (self.folder / host / "bin" / name).chmod(0o755)

    def words(self, host, command, user):
        """The command line that runs a line of shell as on that host."""
        who = "0" if user == "root" else str(ID)
        home = HOMES[user]
        return ["nsenter", "--target", str(self.anchors[host].pid), "--net", "--mount", "--uts", "--",
                "setpriv", "--reuid", who, "--regid", who, "--clear-groups", "--", "env", "-i", "-C", home, f"HOME={home}", f"USER={user}",
                f"LOGNAME={user}", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C.UTF-8", "TZ=UTC", "sh", "-c", command]

    def on(self, host, command, user=OPERATOR, timeout=None):
        """Runs a line of shell, or a list of words; .stdout, .stderr, .returncode."""
        line = command if isinstance(command, str) else shlex.join(map(str, command))
        return subprocess.run(self.words(host, line, user), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=timeout, check=False)

    def start_on(self, host, command, user=OPERATOR, **options):
        """The same, not waited for."""
        return subprocess.Popen(self.words(host, command, user), **options)

    def processes(self, host):
        """Everything that runs there but what keeps the host: {pid: command line}."""
        home = os.readlink(f"/proc/{self.anchors[host].pid}/ns/uts") if self.anchors[host].poll() is None else None
        out = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/ns/uts") == home and int(pid) != self.anchors[host].pid:
                    out[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                pass                                       # it ended meanwhile
        return out

    def agents(self, host):
        """The agents of `backup` that run there."""
        return {pid: line for pid, line in self.processes(host).items() if "backup -agent" in line and not line.startswith(("ssh", "sh "))}

    def unplug(self, host):
        """The cable is pulled: nothing is told to anybody."""
        must("ip", "link", "set", host, "down")

    def plug(self, host):
        must("ip", "link", "set", host, "up")
