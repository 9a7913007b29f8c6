import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { some, subset } from "./arbitrary-parts.ts";

/** Capabilities that the probe's calls reveal, and some more. */
const CAPABILITIES =
  "CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW NET_ADMIN SYS_CHROOT MKNOD SYS_ADMIN SYS_PTRACE SYS_NICE SYSLOG AUDIT_WRITE BPF CHECKPOINT_RESTORE"
    .split(" ")
    .map((name) => `CAP_${name}`);

/** Limits low enough to need no privilege, and high enough for the probe. */
const LIMITS: Readonly<Record<string, number>> = {
  ...{ AS: 2 ** 32, CORE: 0, CPU: 1000, DATA: 2 ** 32, FSIZE: 2 ** 24, LOCKS: 100, MEMLOCK: 2 ** 16 },
  ...{ MSGQUEUE: 8192, NICE: 0, NOFILE: 512, NPROC: 3000, RSS: 2 ** 40, RTPRIO: 0, RTTIME: 10 ** 6 },
  ...{ SIGPENDING: 1000, STACK: 2 ** 22 },
};

const capabilities = subset(CAPABILITIES).chain((Bounding) =>
  subset(Bounding).chain((Permitted) =>
    fc
      .record({ Effective: subset(Permitted), Inheritable: subset(Permitted) })
      .chain(({ Effective, Inheritable }) =>
        subset(Inheritable, 4).map((Ambient) => ({ Bounding, Permitted, Effective, Inheritable, Ambient })),
      ),
  ),
);

const rlimits = subset(Object.entries(LIMITS), 5).chain((chosen) =>
  fc.tuple(
    ...chosen.map(([name, hard]) =>
      fc.nat({ max: 2 }).map((less) => ({
        Type: `RLIMIT_${name}`,
        Hard: hard,
        Soft: ["AS", "DATA", "STACK", "NOFILE", "FSIZE", "NPROC", "CPU"].includes(name) ? hard : hard >> less,
      })),
    ),
  ),
);

const id = fc.constantFrom(0, 0, 1, 100, 1000, 65_534);
const word = fc.string({ unit: "grapheme-ascii", maxLength: 12 });
const variable = fc.oneof(
  fc.tuple(fc.constantFrom("A", "B", "LANG", "TERM", "HOME", "x.y"), word).map(([name, value]) => `${name}=${value}`),
  fc.constantFrom("PATH=/bin:/", "EMPTY=", "A=1"),
);

/** The first process of a container, which is the probe. */
export const arbitraryProcess: fc.Arbitrary<Init<grpc.Process>> = fc
  .record({
    program: fc.constantFrom(
      { args: ["/probe"], env: [] },
      { args: ["probe"], env: ["PATH=/nowhere:/"] },
      { args: ["../../probe"], env: [] },
    ),
    more: fc.array(word, { maxLength: 2 }),
    Env: fc.array(variable, { maxLength: 4 }),
    Cwd: fc.constantFrom("/", "/", "/tmp", "/full/dir", "/made/here", "/full/link-to-dir"),
    User: fc.record({
      UID: id,
      GID: id,
      AdditionalGids: fc.array(id, { maxLength: 4 }),
      Umask: some(fc.constantFrom(0, 0o22, 0o27, 0o77, 0o777)),
    }),
    Capabilities: fc.option(capabilities, { freq: 8 }),
    Rlimits: rlimits,
    NoNewPrivileges: fc.boolean(),
    OOMScoreAdj: fc.constantFrom(0, 0, 1, 500, 1000),
    Terminal: fc.constantFrom(false, false, false, true),
    ConsoleSize: some(fc.constantFrom({ Height: 24, Width: 80 }, { Height: 1, Width: 65_535 })),
  })
  .map(({ program, more, Env, Terminal, ConsoleSize, ...process }) => ({
    ...process,
    Args: [...program.args, ...more],
    Env: [...Env, ...program.env],
    Terminal,
    ...(Terminal && ConsoleSize !== undefined ? { ConsoleSize } : {}),
  }));
