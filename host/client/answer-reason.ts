import { kindInText, type TextKind } from "../text-kind.ts";

/** Reasons that the contract of Kata's agent puts into the text of a status, which has no field for them. */
const REASONS = [
  [/invalid container id(: there is no container .*| "\S*")?$/i, "no-container"],
  [/is being removed$/i, "being-removed"],
  [/: the agent was restarted during the call, /, "interrupted"],
  [/is not supported|not implemented|unknown (service|method)/i, "unsupported"],
  [/current status is/i, "wrong-state"],
] as const;

/** Why a process couldn't be launched: Linux's name of the error, or our words for it. */
const LAUNCH = /^exec(?:ve)? .*: (executable file not found|ENOENT|not executable|[A-Z]+ )/s;
const END_OF_OUTPUT = /\bEOF\b|\bEIO\b|Input\/output error/;

export type AnswerReason =
  | (typeof REASONS)[number][1]
  | "no-program"
  | "program-denied"
  | "not-executable"
  | "end-of-output"
  | TextKind;

/**
 * Returns the reason that an agent's text gives. The one place of host that reads such texts: kata-agent, runc and ours
 * answer most failures of a container with the same code, INTERNAL.
 */
export function reasonIn(text: string): AnswerReason | undefined {
  const why = LAUNCH.exec(text)?.[1];
  if (why === "executable file not found" || why === "ENOENT") return "no-program";
  const kind = kindInText(text);
  if (why !== undefined) return kind === "permission-denied" ? "program-denied" : "not-executable";
  return (
    REASONS.find(([says]) => says.test(text))?.[1] ?? kind ?? (END_OF_OUTPUT.test(text) ? "end-of-output" : undefined)
  );
}
