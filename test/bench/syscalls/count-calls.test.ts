import { expect, test } from "vitest";
import { countCalls } from "./count-calls.ts";

const LOG = `10    clone3({flags=CLONE_INTO_CGROUP, pidfd=[8]} <unfinished ...>
12    setsid( <unfinished ...>
10    <... clone3 resumed>, 88) = 12
12    <... setsid resumed>) = 2
12    execve("/nowhere/sh", ["sh"], 0x1) = -1 ENOENT (No such file or directory)
11    epoll_wait(3, [], 1024, 0) = 0
12    execve("/bin/sh", ["sh"], 0x1 <unfinished ...>
11    read(5, "", 64) = 0
12    <... execve resumed>) = 0
12    brk(NULL) = 0x1
12    +++ exited with 0 +++
10    --- SIGCHLD {si_signo=SIGCHLD} ---
10    wait4(-1, 0x1, WNOHANG, 0x2) = 12
`;

test("counts calls by role, interrupted calls once, and ignores those of the executed program", () => {
  const roles = new Map([
    [10, "init"],
    [11, "agent"],
  ]);
  const plain = [...countCalls(LOG, roles)].map(([role, counts]) => [role, Object.fromEntries(counts)]);
  expect(Object.fromEntries(plain)).toEqual({
    init: { clone3: 1, wait4: 1 },
    agent: { epoll_wait: 1, read: 1 },
    child: { setsid: 1, execve: 2 },
  });
});
