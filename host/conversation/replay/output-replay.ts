import { reasonIn } from "../../client/answer-reason.ts";
import { type FieldDifference, firstDifference } from "./first-difference.ts";
import type { Outcome } from "./outcome.ts";
import { OutputComparison } from "./output-comparison.ts";

/** Bytes that are read beyond the recorded end, to find the end. */
const MOST_SURPLUS = 1 << 20;

/**
 * One output stream of a process. How many responses carry its bytes depends on timing, so it reads until the agent has sent as
 * much as the recorded responses had, and compares the bytes and the end.
 */
export class OutputReplay {
  readonly comparison: OutputComparison;
  readonly #method: string;
  readonly #read: () => Promise<Outcome>;
  readonly #skip: (path: string) => boolean;
  /** Read in progress, if any. */
  #open: Promise<Outcome> | undefined;
  /** Response that ended the stream. */
  #end: Outcome | undefined;

  /** `read` makes one call, and never rejects. */
  constructor(method: string, read: () => Promise<Outcome>, skip: (path: string) => boolean) {
    this.comparison = new OutputComparison(method);
    this.#method = method;
    this.#read = read;
    this.#skip = skip;
  }

  /** Repeats a recorded read, unless the agent has already sent more than its response had. */
  request(): void {
    if (this.#end === undefined && this.comparison.missing >= 0) this.#open ??= this.#read();
  }

  /** Reads what a recorded response had. Returns the difference of the stream's ends. */
  async response(
    recorded: Outcome,
    within: (read: Promise<Outcome>) => Promise<Outcome>,
  ): Promise<FieldDifference | undefined> {
    const bytes = dataOf(recorded);
    this.comparison.add("recorded", bytes);
    const isEnd = bytes.length === 0;
    while (this.#end === undefined && (isEnd ? this.comparison.missing > -MOST_SURPLUS : this.comparison.missing > 0)) {
      this.#open ??= this.#read();
      const actual = await within(this.#open);
      this.#open = undefined;
      const data = dataOf(actual);
      if (data.length === 0) this.#end = actual;
      this.comparison.add("actual", data);
    }
    if (!isEnd || this.#end === undefined) return undefined;
    const end = this.#end;
    // A host may read again after the end.
    this.#end = undefined;
    return firstDifference(this.#method, asEnd(recorded), asEnd(end), this.#skip);
  }
}

/** Returns the bytes of a response; none for the end of the stream, whether by an empty response or by an error. */
function dataOf(outcome: Outcome): Buffer {
  const data = "message" in outcome ? outcome.message["data"] : undefined;
  return Buffer.from(typeof data === "string" ? data : "", "base64");
}

/** Treats an error with which an agent may end an output as an empty response. */
function asEnd(outcome: Outcome): Outcome {
  return "error" in outcome && reasonIn(outcome.error.text) === "end-of-output" ? { message: {} } : outcome;
}
