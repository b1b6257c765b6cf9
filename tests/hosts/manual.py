#!/usr/bin/env python3
"""docs/other-hosts.md, followed literally on three fresh hosts that have neither keys nor the program; and what its keys must not allow.

    manual.py [--program FILE] [--work FOLDER]

In the page, a block of `HOST# COMMAND` lines is typed as root on that host, one by one; what stands below a command must be in what it prints, with `...` for
anything. Any other block is added to the file that the line before it names. So the page cannot say what does not work. Then come places outside of
--root, and 200 hostile command lines through one connection. Prints what it does; ends with "manual: it is as written". Needs root.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import world
from nights import ROOT, Wrong, need, plant

PAGE = ROOT / "docs/other-hosts.md"
PROMPT = re.compile(r"(uhane|mamane|naio)# (.*)")
FILE = re.compile(r"`(/[^`]+)` on (\w+)(?: \([^)]*\))?:$")
AGENT = "/usr/local/bin/backup"


def blocks(page):
    """(heading, the line before, lines) for each block of the page."""
    heading, before, block = "", "", []
    for line in [*page.splitlines(), ""]:
        if line.startswith("    "):
            block.append(line[4:])
            continue
        if block:
            yield heading, before, block
            block = []
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if line:
            before = line


def matches(expected, said):
    """Whether a line that the page shows is among those that were printed."""
    pattern = re.compile(".*".join(re.escape(part) for part in expected.split("...")))
    return any(pattern.fullmatch(line) for line in said.splitlines())


class Manual:
    def __init__(self, hosts, program):
        self.hosts, self.program = hosts, program
        self.began = time.monotonic()
        self.printed = []                                  # what each command printed since the last heading

    def root(self, host):
        return self.hosts.folder / host / "own"

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def typed(self, host, command):
        done = self.hosts.on(host, command, user="root", timeout=60)
        return done.returncode, done.stdout + done.stderr

    def follow(self):
        """Each block as the page has it; after each section, what it promises."""
        after = {"A key that can do nothing else": self.fingerprints, "The table, the first night, and cron": self.nights,
                 "Who trusts whom": self.exchanged, "What messages mean": self.messages}
        last = None
        for heading, before, block in [*blocks(PAGE.read_text()), (None, "", [])]:
            if heading != last and last in after:
                self.say(f"({last})")
                after.pop(last)()
            if heading != last:
                self.printed, last = [], heading
                if heading == "What messages mean":
                    self.route("add")
            if block and PROMPT.fullmatch(block[0]):
                self.commands(block)
            elif block:
                self.write(FILE.search(before), before, block)
        need(not after, f"the page has no section {after} with a block any more")

    def commands(self, block):
        at = [n for n, line in enumerate(block) if PROMPT.fullmatch(line)]
        for begin, end in zip(at, [*at[1:], len(block)]):
            host, command = PROMPT.fullmatch(block[begin]).groups()
            expected = block[begin + 1:end]
            code, said = self.typed(host, command)
            self.say(block[begin])
            self.printed.append(said)
            fails = any(line.startswith("backup: ") for line in expected)
            need((code == 2) if fails else (code == 0), f"{block[begin]}: exit code {code}:\n{said}")
            for line in expected:
                need(matches(line, said), f"{block[begin]} printed\n{said}\nand not\n{line}")

    def write(self, file, before, block):
        need(file, f"the page does not say which file this belongs to: {before}\n{block}")
        path, host = file.groups()
        key = self.root("naio") / "root/.ssh/backup.pub"
        key = key.read_text().strip() if key.exists() else ""
        with open(self.root(host) / path[1:], "a", encoding="utf-8") as out:
            out.writelines(line.replace("ssh-ed25519 AAAA... backup@naio", key) + "\n" for line in block)
        self.say(f"(added to {path} on {host})")

    # ---------------------------------------------------------------------------------------------------- after a section

    def fingerprints(self):
        known, *own = [set(re.findall(r"SHA256:\S+", said)) for said in self.printed[-3:]]
        need(len(known) == 2 and known == own[0] | own[1], f"the fingerprints are not those of the hosts: {known} {own}")

    def same(self, host, path):
        ends = [self.root("uhane") / "local/data/elixir", self.root(host) / path]
        words = [sys.executable, ROOT / "tests/compare_trees.py", *ends, "--dir", "detrend", "--dir", "tests"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        need(done.returncode == 0, f"{path} differs:\n{done.stdout[:2000]}")

    def nights(self):
        """The line for cron, with the environment that cron gives; and places that the keys are not for."""
        mirror = "local/data/mamane/elixir.mirror"
        self.same("mamane", mirror)
        (self.root("uhane") / "local/data/elixir/detrend/of tonight").write_text("new")
        line = (self.root("naio") / "etc/cron.d/backup").read_text().splitlines()[-1]
        code, said = self.typed("naio", f"env -i HOME=/root LOGNAME=root SHELL=/bin/sh PATH=/usr/bin:/bin sh -c '{line.split('root', 1)[1].strip()}'")
        need((code, said) == (0, ""), f"cron: exit code {code}: {said}")
        self.same("mamane", mirror)
        shutil.copy(self.root("naio") / "etc/backup.tab", self.root("mamane") / "etc/backup.tab")      # "keep a copy there"
        (self.root("uhane") / "local/data/elixir/detrend/of tonight").write_text("spoilt")
        code, said = self.typed("naio", "backup -restore elixir 'detrend/of tonight'")
        need(code == 0, said)
        records = b"".join(path.read_bytes() for path in (self.root("mamane") / mirror / ".backup/store/snapshots").rglob("*") if path.is_file())
        need(b"/local/data/elixir" in records and b"/proc/" not in records, "a snapshot names a place as only an agent has it")
        self.outside()
        self.hostile()

    def outside(self):
        """A client that names other places than the key is for."""
        (self.root("mamane") / "local/data/mamane/out").symlink_to("/etc")
        before = {host: self.listing(host) for host in ["uhane", "mamane"]}
        source, mirror = "uhane:/local/data/elixir", "mamane:/local/data/mamane/elixir.mirror"
        for words, lines in [
            ("-backup t", [source, "mamane:/local/data/other"]),
            ("-backup --init t", [source, "mamane:/local/data/mamanex/mirror"]),
            ("-backup --init t", [source, "mamane:/local/data/mamane/../mirror"]),
            ("-backup --init t", [source, "mamane:/local/data/mamane/out/mirror"]),
            ("-backup --init t", [source, "mamane:/"]),
            ("-backup --init t", [source, "mamane:/local/data/mamane/m", "/local/data/store"]),
            ("-backup t", ["uhane:/local/data", mirror]),
            ("-backup t", ["uhane:/etc", mirror]),
            ("-check t", [source, "mamane:/local"]),
            ("-snapshots t", [source, "mamane:/local/data/elixir"]),
            ("-swap t", [source, "mamane:/etc"]),
            ("-restore elixir --to uhane:/etc", [source, mirror]),
            ("-restore elixir --to uhane:/local/data/elixir2", [source, mirror]),
        ]:
            store = "".join(f"STORE {line}\n" for line in lines[2:])
            table = f"TARGET {'elixir' if 'elixir' in words else 't'}\nSOURCE {lines[0]}\nMIRROR {lines[1]}\n{store}DIR detrend\n"
            (self.root("naio") / "root/outside.tab").write_text(table)
            code, said = self.typed("naio", f"backup {words} --tab /root/outside.tab")
            told = "this agent works only in" in said or "not reached by a symlink" in said
            need(code == 2 and told and re.match(r"backup: \w+: (uhane|mamane): ", said) and len(said.splitlines()) == 1, f"{words} with {lines}: exit code {code}:\n{said}")
        after = {host: self.listing(host) for host in ["uhane", "mamane"]}
        need(before == after, "a place outside of --root was written to")
        self.say(f"13 places outside of --root were refused, the last so: {said.strip()}")

    def listing(self, host):
        return world.must("find", self.root(host), "-path", "*/mamane/elixir.mirror/.backup", "-prune", "-o", "-printf", "%p %y %s %m %U %l\n")

    def hostile(self):
        """The forced command is what runs, whatever the client wants to run."""
        folder = self.root("naio") / "root/hostile"
        folder.mkdir()
        texts = hostile()
        for n, text in enumerate(texts):
            (folder / f"{n:03}").write_bytes(text)
        self.typed("naio", "ssh -M -S /root/mux -N -f mamane </dev/null >/dev/null 2>&1")
        begun = time.monotonic()
        self.typed("naio", "cd hostile && ls | xargs -P 8 -I @ sh -c 'ssh -T -S /root/mux mamane -- \"$(cat @)\" </dev/null >@.out 2>@.err'")
        self.typed("naio", "ssh -S /root/mux -O exit mamane")
        for n, text in enumerate(texts):
            out, err = (folder / f"{n:03}.out").read_bytes(), (folder / f"{n:03}.err").read_bytes()
            greeted = out.startswith(b"BKUPWIRE") and len(out) < 200
            need(greeted and b"PWNED" not in out + err and err.count(b"\n") <= 1, f"{text[:200]!r} made the agent say {out[:300]!r} {err[:300]!r}")
        for host in world.HOSTS:
            found = world.must("find", self.root(host), "-name", "*PWNED*")
            need(not found, f"a hostile command made {found}")
        shutil.rmtree(folder)
        self.say(f"{len(texts)} hostile commands through one connection: {time.monotonic() - begun:.1f} s")

    def exchanged(self):
        """What the page says in words: the two --append-only exchanged, and the old source is the mirror."""
        self.same("mamane", "local/data/mamane/look")
        for host, old, new in [("uhane", "/elixir\"", "/elixir --append-only\""), ("mamane", " --append-only", "")]:
            file = self.root(host) / "root/.ssh/authorized_keys"
            text = file.read_text()
            need(old in text, f"{file}: {text}")
            file.write_text(text.replace(old, new))
        code, said = self.typed("naio", "backup -backup --init elixir")
        need(code == 0, said)
        self.same("mamane", "local/data/mamane/elixir.mirror")
        need(self.typed("naio", "backup -check elixir --data")[0] == 0, "the new mirror is not in order")

    def route(self, do):
        """Takes uhane out of reach, at once."""
        world.must(*self.hosts.words("naio", f"ip route {do} unreachable {world.HOSTS['uhane']}", "root"))

    def messages(self):
        """Each message that the page quotes, brought about."""
        self.route("del")
        text = PAGE.read_text().split("# What messages mean", 1)[1].replace("\n", " ")
        quoted = [quote for quote in re.findall(r"`([^`]+)`", text) if " " in quote and not quote.startswith("no word for")]
        agent = self.hosts.folder / "uhane/bin/backup"
        kept = agent.read_bytes()

        def ask():
            code, said = self.typed("naio", "backup -backup elixir")
            need(code == 2 and len(said.splitlines()) <= 2, f"exit code {code}: {said}")
            return said

        need(self.typed("naio", "ssh uhane true </dev/null")[1].startswith("BKUPWIRE"), "no good answer of an agent")
        said = []
        agent.unlink()
        said.append(ask())
        agent.write_text("#!/bin/sh\nprintf 'BKUPWIRE\\143\\0\\5\\0009.9.9'\ncat >/dev/null\n")
        agent.chmod(0o755)
        said.append(ask())
        agent.write_text(f"#!/bin/sh\necho Welcome to uhane\nexec {AGENT}.1 -agent\n")
        said.append(ask())
        agent.write_bytes(kept)
        (self.root("naio") / "etc/backup.tab").write_text((self.root("naio") / "etc/backup.tab").read_text().replace("uhane:/local/data/elixir", "uhane:/local"))
        said.append(ask())
        for one in said:
            print("          " + one.strip().replace("\n", "\n          "))
        for quote in quoted:
            need(any(matches(f"...{quote}...", one) for one in said), f"nothing says {quote}:\n{''.join(said)}")


def hostile():
    """200 command lines that want something else than the agent."""
    numbers = random.Random(4)
    mark = "touch /tmp/PWNED"
    plain = [
        "backup -agent --root /", "backup -agent", "/usr/local/bin/backup -agent --root / --append-only", "--root /", "-agent --root=/", "--root / --help",
        "backup -restore elixir --to /tmp/PWNED", "backup -swap elixir", "scp -t /tmp/PWNED", "scp -f /etc/shadow", "rsync --server -e.LsfxC . /tmp/PWNED",
        "internal-sftp", "/usr/lib/openssh/sftp-server", "sh -i", "bash --norc", "exit 0", "exec false", "cat /etc/shadow", "env", "kill -9 -1", "reboot",
        "-oProxyCommand=" + mark, "--version", "-V", "-h", "", " ", "\t", "\n\n", "%s%n%x", "../../../../bin/sh", "/bin/sh", "SSH_ORIGINAL_COMMAND=x " + mark,
        "BACKUP_TAB=/tmp/PWNED backup -targets", "LD_PRELOAD=/tmp/PWNED.so backup -agent", "RUST_LOG=trace RUST_BACKTRACE=full backup -agent", "a" * 100_000,
        "'" * 999, "\"", "\\", "*", "~", "$HOME", "${IFS}", "!!", "#", "\x1b[2J\x07PWN", "\u202egnp.exe", "-- " + mark,
    ]
    around = ["{}", ";{}", "; {};", "|{}", "| {} #", "||{}", "&&{}", "& {} &", "$({})", "`{}`", "\n{}\n", "'; {}; '", "\"; {}; \"", "\\\n{}", ">/tmp/PWNED; {}",
              "<({})", "sh -c '{}'", "backup -agent; {}", "backup -agent --root /local/data/mamane\n{}", "backup -agent --root '$({})'", "eval {}", "{{ {}; }}"]
    texts = [text.encode() for text in plain] + [form.format(mark).encode() for form in around]
    while len(texts) < 200:
        base = numbers.choice(texts)[:300]
        noise = bytes(numbers.randrange(1, 256) for _ in range(numbers.randrange(1, 40)))
        at = numbers.randrange(len(base) + 1)
        texts.append(base[:at] + noise + base[at:])
    return texts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/backup")
    parser.add_argument("--work", type=Path, default=ROOT / "target/hosts/manual")
    options = parser.parse_args()
    world.enter()
    work = options.work.resolve()
    with world.World(work, keys=False) as hosts:
        for host in world.HOSTS:                           # the checkout
            built = work / host / "own/root/target/release"
            built.mkdir(parents=True)
            shutil.copy(options.program, built / "backup")
        (work / "uhane/own/local/data/elixir").mkdir()
        (work / "night2").mkdir()
        plant(work / "uhane/own/local/data/elixir", work / "night2")
        (work / "naio/own/etc/cron.d").mkdir(exist_ok=True)
        try:
            Manual(hosts, options.program).follow()
        except (Wrong, world.Failed, subprocess.TimeoutExpired) as e:
            print(f"manual: FAILED: {e}", file=sys.stderr)
            return 1
        print("manual: it is as written")
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
