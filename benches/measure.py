"""Run a command and measure it: wall and CPU seconds, peak memory and bytes written, of all its processes.

    measured(command, log)      its exit code, and the measures; what it prints goes to the file `log`

The memory is that of the largest process. As the kernel counts it, a process begins with the peak of the one that started it; so this file is also a program,
small and new for each command, which starts and measures it, and only what is below its 10 MB or so cannot be seen.
"""
import json
import os
import subprocess
import sys
import time


def measured(command, log):
    with open(log, "wb") as out:
        done = subprocess.run([sys.executable, "-I", "-S", __file__, *map(str, command)], stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.PIPE, check=True)
    found = json.loads(done.stderr)
    return found.pop("code"), found


def main():
    result = os.dup(2)
    os.set_inheritable(result, False)
    os.dup2(1, 2)
    start = time.perf_counter()
    child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    found = {"code": os.waitstatus_to_exitcode(status), "wall": wall, "cpu": usage.ru_utime + usage.ru_stime,
             "rss": usage.ru_maxrss * 1024 / 1e6, "written": usage.ru_oublock * 512 / 1e6}
    os.write(result, json.dumps(found).encode())


if __name__ == "__main__":
    main()
