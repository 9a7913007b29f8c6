/** One test point of a program's output in the Test Anything Protocol, as tap-go writes it. */
export interface Point {
  readonly ok: boolean;
  /** Skipped or to do: counts neither way. */
  readonly skipped: boolean;
  readonly text: string;
  /** The block below the point; empty without one. */
  readonly detail: string;
}

export interface Tap {
  readonly points: readonly Point[];
  /** How many points were announced; undefined when the output ended before that. */
  readonly plan: number | undefined;
  /** Blocks that belong to no point; some programs report a failure only there. */
  readonly notes: readonly string[];
}

/** The output of a container may be quoted in a block and look like points; points stand at the begin of a line. */
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

/** A block is JSON: the error in it with what the runtime wrote, else all of it. */
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
