/** Test point in a program's output, in the Test Anything Protocol as tap-go writes it. */
export interface Point {
  readonly ok: boolean;
  /** True if the point was skipped or is a to-do; it then counts neither as passed nor as failed. */
  readonly skipped: boolean;
  readonly text: string;
  /** Text of the block below the point; empty if there is no block. */
  readonly detail: string;
}

export interface Tap {
  readonly points: readonly Point[];
  /** Number of announced points; undefined if the output ended before the announcement. */
  readonly plan: number | undefined;
  /** Blocks that belong to no point. Some programs report a failure only in one of these. */
  readonly notes: readonly string[];
}

/** Parses TAP output. A block may quote a container's output that looks like points; real points are outside blocks. */
export function parseTap(output: string): Tap {
  const points: Point[] = [];
  const notes: string[] = [];
  let plan: number | undefined;
  let block: string[] | undefined;
  for (const line of output.split("\n")) {
    if (line === "  ---") {
      block = [];
    } else if (line === "  ..." && block !== undefined) {
      const detail = inShort(block.join("\n"));
      const point = points.pop();
      if (point !== undefined) points.push({ ...point, detail });
      else notes.push(detail);
      block = undefined;
    } else if (block !== undefined) {
      block.push(line);
    } else {
      const [, not, text, directive] = /^(not )?ok \d+ (?:- (.*)|# (?:SKIP|TODO) (.*))$/.exec(line) ?? [];
      const named = text ?? directive;
      if (named !== undefined) {
        points.push({ ok: not === undefined, skipped: directive !== undefined, text: named, detail: "" });
      }
      const announced = /^1\.\.(\d+)$/.exec(line)?.[1];
      if (announced !== undefined) plan = Number(announced);
    }
  }
  return { points, plan, notes };
}

/** Shortens a block to its JSON's error and the runtime's output, or returns all of it if it isn't JSON. */
function inShort(block: string): string {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = JSON.parse(block);
  } catch {
    return block.trim();
  }
  const told = [fields["error"], fields["stderr"]].filter((each) => typeof each === "string" && each !== "");
  return told.length > 0 ? told.join(": ").trim() : JSON.stringify(fields);
}
