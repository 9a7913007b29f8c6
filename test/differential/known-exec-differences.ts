import { inUser, type KnownDifference } from "./known-differences.ts";

/** Known differences of execs only. `npm test` shows that each still occurs. */
export const KNOWN_EXEC_DIFFERENCES: readonly KnownDifference[] = [
  {
    difference: /^(?:id [ps]g?id is pid: 1 \| 0|status NS[ps]g?id: \d+ \| 0)$/,
    reason: "an exec leads its own session, as with runc; with crun 1.8 it is in the runtime's session",
  },
  {
    difference: /^id session keyring: keyring;\d+;\d+;3f030000;_ses \| keyring;\d+;65534;1f3f0000;_uid_ses\.\d+$/,
    reason: "and has its own session keyring, as with runc",
  },
  {
    difference: /^file oom_score_adj: \d+\\n \| 0\\n$/,
    reason: "oomScoreAdj of the exec's process applies; crun 1.8 keeps the runtime's",
  },
  {
    difference: /^fd [012]: (\/dev\/pts\/\d+ mode 20620 owner) \d+:(\d+) flags 0 80002 \| \1 \d+:\2 flags 0 8002$/,
    reason: "the terminal is the exec's user's, as with runc; with crun 1.8 the container's user's",
  },
  {
    difference: /^dev \/dev\/pts\/\d+: (mode 20620 owner) \d+:(\d+) (.*) \| \1 \d+:\2 \3$/,
    reason: "the same terminal, seen by others",
  },
  {
    difference: /^fd [012]: (pipe: mode 10600) owner \d+:\d+ (.*) \| \1 owner 65534:65534 \2$/,
    when: inUser,
    reason:
      "pipes belong to the exec's user; crun 1.8 leaves them to the guest's root, which a user namespace doesn't map",
  },
  {
    difference: /^env: (?:HOME=\/\S*)? ?\| .+$/,
    when: (_spec, _target, exec) => exec?.Env?.length === 0,
    reason: "an exec without an environment has none, as with runc; with crun 1.8 it has the container's",
  },
];
