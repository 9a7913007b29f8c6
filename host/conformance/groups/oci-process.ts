import type { CaseGroup } from "../case.ts";
import { equal, matches, refused } from "../check.ts";
import { capabilities } from "../oci-spec.ts";

const SPEC = "OCI runtime spec, process";

export const ociProcess: CaseGroup = {
  name: "oci-process",
  title: "OCI fields of the process",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    {
      name: "CreateContainer: args and env apply as given",
      level: "must",
      source: SPEC,
      run: async (context) => {
        const text = await context.print(
          'echo "$GREETING"; echo $0',
          {},
          { Env: ["PATH=/bin", "GREETING=hello  there"] },
        );
        equal(text, "hello  there\nsh\n", "the output");
      },
    },
    {
      name: "CreateContainer: the process runs in cwd",
      level: "must",
      source: SPEC,
      run: async (context) => equal(await context.print("pwd", {}, { Cwd: "/tmp" }), "/tmp\n", "the directory"),
    },
    {
      name: "CreateContainer: a missing cwd is created",
      level: "should",
      source: "behaviour of the reference and of runc",
      run: async (context) => {
        const Cwd = `/tmp/${context.fresh()}/deep`;
        equal(await context.print("pwd", {}, { Cwd }), `${Cwd}\n`, "the directory");
      },
    },
    {
      name: "CreateContainer: HOME comes from the container's /etc/passwd",
      level: "should",
      source: "behaviour of the reference and of runc",
      run: async (context) => {
        equal(await context.print("echo $HOME"), "/root\n", "root's HOME");
        equal(
          await context.print("echo $HOME", {}, { User: { UID: 1000, GID: 100 } }),
          "/home/ann\n",
          "the user's HOME",
        );
      },
    },
    {
      name: "CreateContainer: uid, gid and additional groups apply",
      level: "must",
      source: `${SPEC}.user`,
      run: async (context) => {
        const User = { UID: 1000, GID: 100, AdditionalGids: [7, 42] };
        equal(await context.print("id -u; id -g; id -G", {}, { User }), "1000\n100\n100 7 42\n", "the ids");
      },
    },
    {
      name: "CreateContainer: an unprivileged process has no effective capabilities",
      level: "must",
      source: "capabilities(7), execve of an ordinary user",
      run: async (context) => {
        const text = await context.print(
          "grep CapEff /proc/self/status | cut -f2",
          {},
          { User: { UID: 1000, GID: 100 } },
        );
        equal(text, "0000000000000000\n", "the effective set");
      },
    },
    {
      name: "CreateContainer: each set of capabilities applies",
      level: "must",
      source: `${SPEC}.capabilities`,
      run: async (context) => {
        const Capabilities = {
          ...{ Bounding: ["CAP_KILL", "CAP_SETUID"], Permitted: ["CAP_KILL", "CAP_SETUID"] },
          ...{ Effective: ["CAP_KILL"], Inheritable: ["CAP_KILL"], Ambient: ["CAP_KILL"] },
        };
        const line = "grep ^Cap /proc/self/status";
        const text = await context.print(line, {}, { Capabilities, User: { UID: 1000, GID: 100 } });
        const short = text.replace(/\t0+/g, " ");
        equal(short, "CapInh: 20\nCapPrm: 20\nCapEff: 20\nCapBnd: a0\nCapAmb: 20\n", "the sets of an ordinary user");
      },
    },
    {
      name: "CreateContainer: names of capabilities without CAP_ are accepted",
      level: "must",
      source: "runtime-rs sends SETUID",
      run: async (context) => {
        const Capabilities = capabilities(["KILL", "CHOWN"]);
        const text = await context.print("grep CapBnd /proc/self/status | cut -f2", {}, { Capabilities });
        equal(text, "0000000000000021\n", "the bounding set");
      },
    },
    {
      name: "CreateContainer: an unknown capability is ignored",
      level: "should",
      source: "hosts newer than the guest's kernel",
      run: async (context) => {
        const Capabilities = capabilities(["CAP_KILL", "CAP_CONFORMANCE"]);
        const text = await context.print("grep CapBnd /proc/self/status | cut -f2", {}, { Capabilities });
        equal(text, "0000000000000020\n", "the bounding set");
      },
    },
    {
      name: "CreateContainer: resource limits apply",
      level: "must",
      source: `${SPEC}.rlimits`,
      run: async (context) => {
        const Rlimits = [{ Type: "RLIMIT_NOFILE", Soft: 123, Hard: 456 }];
        equal(await context.print("ulimit -Sn; ulimit -Hn", {}, { Rlimits }), "123\n456\n", "the limits");
      },
    },
    {
      name: "CreateContainer: a resource limit with an unknown name is refused",
      level: "should",
      source: `${SPEC}.rlimits`,
      run: async (context) => {
        const Rlimits = [{ Type: "RLIMIT_CONFORMANCE", Soft: 1, Hard: 1 }];
        await refused(context.print("true", {}, { Rlimits }));
      },
    },
    {
      name: "CreateContainer: no_new_privs applies",
      level: "must",
      source: `${SPEC}.noNewPrivileges`,
      run: async (context) => {
        const line = "grep NoNewPrivs /proc/self/status";
        equal(await context.print(line, {}, { NoNewPrivileges: true }), "NoNewPrivs:\t1\n", "the flag if set");
        equal(await context.print(line, {}, { NoNewPrivileges: false }), "NoNewPrivs:\t0\n", "the flag if not set");
      },
    },
    {
      name: "CreateContainer: oomScoreAdj applies",
      level: "must",
      source: `${SPEC}.oomScoreAdj`,
      run: async (context) => {
        equal(await context.print("cat /proc/self/oom_score_adj", {}, { OOMScoreAdj: 777 }), "777\n", "oom_score_adj");
      },
    },
    {
      name: "CreateContainer: an AppArmor profile that the guest lacks is ignored",
      level: "must",
      source: "runtime-rs passes the host's profile on for the first process",
      run: async (context) => {
        equal(
          await context.print("echo on", {}, { ApparmorProfile: "cri-containerd.apparmor.d" }),
          "on\n",
          "the output",
        );
      },
    },
    {
      name: "CreateContainer: umask 022 is the default",
      level: "should",
      source: "behaviour of runc",
      run: async (context) => equal(await context.print("umask"), "0022\n", "the umask"),
    },
    {
      name: "CreateContainer: process.user.umask applies",
      level: "may",
      source: `${SPEC}.user; not in the contract of the reference`,
      run: async (context) => {
        equal(await context.print("umask", {}, { User: { UID: 0, GID: 0, Umask: 0o27 } }), "0027\n", "the umask");
      },
    },
    {
      name: "CreateContainer: scheduler and I/O priority apply",
      level: "may",
      source: `${SPEC}.scheduler and ioPriority; not in the contract of the reference`,
      run: async (context) => {
        const process = {
          Scheduler: { Policy: "SCHED_BATCH", Nice: 7 },
          IOPriority: { Class: "IOPRIO_CLASS_BE", Priority: 6 },
        };
        const text = await context.print("ionice -p $$; cut -d' ' -f19,41 /proc/$$/stat", {}, process);
        equal(text, "best-effort: prio 6\n7 3\n", "priority, nice and policy");
      },
    },
    {
      name: "CreateContainer: the executable is looked up along the process's PATH",
      level: "must",
      source: SPEC,
      run: async (context) => {
        const { Path } = { Path: ["PATH=/nowhere:/bin"] };
        equal(await context.print("echo found", {}, { Env: Path }), "found\n", "the output");
        await refused(context.print("true", {}, { Env: ["PATH=/nowhere"] }));
      },
    },
    {
      name: "CreateContainer: the first process is PID 1 of its pid namespace",
      level: "must",
      source: "OCI runtime spec, linux.namespaces",
      run: async (context) => {
        const text = await context.print("echo $$");
        matches(text, /^1\n$/, "the pid");
      },
    },
    {
      name: "CreateContainer: a user name of string_user is looked up in the container's /etc/passwd",
      level: "should",
      source: "agent.proto, CreateContainerRequest.string_user",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "id -u; id -g"], {}, { string_user: { uid: "ann" } });
        equal((await context.finish(id)).stdout, "1000\n100\n", "the ids");
      },
    },
  ],
};
