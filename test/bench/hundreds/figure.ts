/** A line of the table. */
export interface Figure {
  readonly what: string;
  readonly measured: string;
  readonly aim: string;
  /** Undefined if this measurement can't tell, such as one of fewer guests than the aim has. */
  readonly isMet?: boolean | undefined;
}

export const HEAD = ["figure", "measured", "aim", "met"];

/** Returns a figure as a row of a table. */
export function rowOf({ what, measured, aim, isMet }: Figure): string[] {
  return [what, measured, aim, isMet === undefined ? "" : isMet ? "yes" : "no"];
}
