import type { ConformanceCase } from "../case.ts";
import { equal, holds, matches, refused } from "../check.ts";
import { CAPABILITY_MASK, capabilities, ociSpec } from "../oci-spec.ts";

/** Cases of the fields of an exec's process. */
export const execFieldCases: readonly ConformanceCase[] = [
  {
    name: "ExecProcess: looks the program up along the process's PATH",
    level: "must",
    source: "OCI runtime spec, process.env",
    run: async (context) => {
      const id = await context.sleeper();
      const line =
        "mkdir -p /tmp/conf-path; printf '#!/bin/sh\\necho mine\\n' > /tmp/conf-path/conf-program; chmod 755 /tmp/conf-path/conf-program";
      await context.execute(id, line);
      const found = await context.exec(id, ["conf-program"], { Env: ["PATH=/nowhere:/tmp/conf-path:/bin"] });
      equal((await context.finish(id, found)).stdout, "mine\n", "stdout");
      await refused(context.exec(id, ["conf-program"], { Env: ["PATH=/bin"] }));
    },
  },
  {
    name: "ExecProcess: has exactly the given arguments and environment",
    level: "must",
    source: "OCI runtime spec, process.args and process.env",
    run: async (context) => {
      const id = await context.sleeper();
      const line = 'for a in "$0" "$@"; do echo "[$a]"; done';
      const printed = await context.exec(id, ["sh", "-c", line, "zero", "", "two words", "ünï"]);
      equal((await context.finish(id, printed)).stdout, "[zero]\n[]\n[two words]\n[ünï]\n", "the arguments");
      const Env = ["PATH=/bin", "GREETING=hello  there", "EMPTY="];
      const listed = await context.exec(id, ["env"], { Env });
      const found = (await context.finish(id, listed)).stdout.trimEnd().split("\n");
      // Agents add HOME, as runc does.
      const given = found.filter((one) => !one.startsWith("HOME="));
      equal(given.toSorted(), Env.toSorted(), "the environment");
    },
  },
  {
    name: "ExecProcess: does not inherit the container's environment",
    level: "should",
    source: "OCI runtime spec, process.env",
    run: async (context) => {
      const { Process } = ociSpec("", ["sleep", "1000"]);
      const id = await context.start([], { Process: { ...Process, Env: ["PATH=/bin", "ONLY=first"] } });
      equal((await context.execute(id, "echo [$ONLY]")).stdout, "[]\n", "the variable");
    },
  },
  {
    name: "ExecProcess: runs in the given working directory",
    level: "must",
    source: "OCI runtime spec, process.cwd",
    run: async (context) => {
      const id = await context.sleeper();
      equal((await context.execute(id, "pwd", { Cwd: "/tmp" })).stdout, "/tmp\n", "the directory");
    },
  },
  {
    name: "ExecProcess: runs as the given user with its groups",
    level: "must",
    source: "OCI runtime spec, process.user",
    run: async (context) => {
      const id = await context.sleeper();
      const User = { UID: 1000, GID: 100, AdditionalGids: [7, 42] };
      equal((await context.execute(id, "id -u; id -g; id -G", { User })).stdout, "1000\n100\n100 7 42\n", "the ids");
    },
  },
  {
    name: "ExecProcess: HOME is that of the user in the container's /etc/passwd",
    level: "should",
    source: "behaviour of the reference and of runc",
    run: async (context) => {
      const id = await context.sleeper();
      const User = { UID: 1000, GID: 100 };
      equal((await context.execute(id, "echo $HOME", { User })).stdout, "/home/ann\n", "HOME");
    },
  },
  {
    name: "ExecProcess: an unprivileged user can write to its stdout by /dev/stdout",
    level: "must",
    source: "images that log as an ordinary user",
    run: async (context) => {
      const id = await context.sleeper();
      const output = await context.execute(id, "echo x > /dev/stdout", { User: { UID: 1000, GID: 100 } });
      equal(output, { stdout: "x\n", stderr: "", status: 0 }, "output and status");
    },
  },
  {
    name: "ExecProcess: without capabilities in the request, it has the container's",
    level: "must",
    source: "both hosts send none for an exec; behaviour of the reference",
    run: async (context) => {
      const id = await context.sleeper();
      const line = "grep -E 'CapEff|CapBnd' /proc/self/status";
      const expected = `CapEff:\t${CAPABILITY_MASK}\nCapBnd:\t${CAPABILITY_MASK}\n`;
      equal((await context.execute(id, line)).stdout, expected, "the capabilities");
    },
  },
  {
    name: "ExecProcess: capabilities in the request apply",
    level: "should",
    source: "OCI runtime spec, process.capabilities",
    run: async (context) => {
      const id = await context.sleeper();
      const line = "grep -E 'CapEff|CapBnd' /proc/self/status | cut -f2";
      const { stdout } = await context.execute(id, line, { Capabilities: capabilities(["CAP_KILL"]) });
      equal(stdout, "0000000000000020\n0000000000000020\n", "the effective and bounding sets");
    },
  },
  {
    name: "ExecProcess: resource limits apply",
    level: "should",
    source: "runtime-rs sends process.rlimits; the Go shim sends none, so no host relies on them",
    run: async (context) => {
      const id = await context.sleeper();
      const Rlimits = [{ Type: "RLIMIT_NOFILE", Soft: 77, Hard: 88 }];
      equal((await context.execute(id, "ulimit -Sn; ulimit -Hn", { Rlimits })).stdout, "77\n88\n", "the limits");
    },
  },
  {
    name: "ExecProcess: no_new_privs applies",
    level: "must",
    source: "runtime-rs sends process.noNewPrivileges",
    run: async (context) => {
      const { Process } = ociSpec("", ["sleep", "1000"]);
      const id = await context.start([], { Process: { ...Process, NoNewPrivileges: false } });
      const line = "grep NoNewPrivs /proc/self/status";
      const { stdout } = await context.execute(id, line, { NoNewPrivileges: true });
      equal(stdout, "NoNewPrivs:\t1\n", "the flag, in a container without it");
    },
  },
  {
    name: "ExecProcess: arguments of 100 kB arrive",
    level: "should",
    source: "Linux, MAX_ARG_STRLEN is 128 KiB",
    run: async (context) => {
      const id = await context.sleeper();
      const long = "x".repeat(100_000);
      const run = await context.exec(id, ["sh", "-c", 'printf %s "$1" | wc -c', "sh", long]);
      equal((await context.finish(id, run)).stdout.trim(), "100000", "the length");
    },
  },
  {
    name: "ExecProcess: open descriptors of the agent don't leak into the process",
    level: "should",
    source: "kata-containers agent 762 and issue 11503",
    run: async (context) => {
      const id = await context.sleeper();
      const { stdout } = await context.execute(id, "ls /proc/self/fd | wc -l");
      holds(/^[34]\n$/.test(stdout), "ls has three descriptors and its directory", stdout.trim());
    },
  },
  {
    name: "ExecProcess: the process is a session leader without the agent's terminal",
    level: "should",
    source: "behaviour of runc",
    run: async (context) => {
      const id = await context.sleeper();
      const { stdout } = await context.execute(id, "cut -d' ' -f1,6,7 /proc/$$/stat");
      const [pid, session, terminal] = stdout.trim().split(" ");
      equal([session === pid, terminal], [true, "0"], "session leader and terminal");
      matches(pid ?? "", /^\d+$/, "the pid");
    },
  },
];
