import { inUser, type KnownDifference } from "./known-differences.ts";

/** Those of execs alone. `npm test` shows that each still occurs. */
export const KNOWN_EXEC_DIFFERENCES: readonly KnownDifference[] = [
  {
    difference: /^(?:id [ps]g?id is pid: 1 \| 0|status NS[ps]g?id: \d+ \| 0)$/,
    reason: "an exec leads a session of its own, as with runc; with crun 1.8 it is in that of the runtime",
  },
  {
    difference: /^id session keyring: keyring;\d+;\d+;3f030000;_ses \| keyring;\d+;65534;1f3f0000;_uid_ses\.\d+$/,
    reason: "and has a session keyring of its own, as with runc",
  },
  {
    difference: /^file oom_score_adj: \d+\\n \| 0\\n$/,
    reason: "oomScoreAdj of the exec's process is carried; crun 1.8 leaves what the runtime has",
  },
  {
    difference: /^fd [012]: (\/dev\/pts\/\d+ mode 20620 owner) \d+:(\d+) flags 0 80002 \| \1 \d+:\2 flags 0 8002$/,
    reason: "the terminal is the exec's user's, as with runc; with crun 1.8 the container's user's",
  },
  {
    difference: /^dev \/dev\/pts\/\d+: (mode 20620 owner) \d+:(\d+) (.*) \| \1 \d+:\2 \3$/,
    reason: "the same terminal, as others see it",
  },
  {
    difference: /^fd [012]: (pipe: mode 10600) owner \d+:\d+ (.*) \| \1 owner 65534:65534 \2$/,
    when: inUser,
    reason: "pipes are the exec's user's; crun 1.8 leaves them with the guest's root, which a user namespace has not",
  },
  {
    difference: /^env: (?:HOME=\/\S*)? ?\| .+$/,
    when: (_spec, _target, exec) => exec?.Env?.length === 0,
    reason: "an exec without an environment has none, as with runc; with crun 1.8 the container's",
  },
];
