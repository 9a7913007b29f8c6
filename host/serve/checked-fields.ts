import { RequestFailure } from "./request-failure.ts";

/** Fields of a message that a page sent, each checked when it is read. All throw RequestFailure. */
export class CheckedFields {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  /** A text of 1 to `max` characters. */
  text(name: string, max = 256): string {
    const value = this.optionalText(name, max);
    if (value === undefined) throw new RequestFailure(400, `${name}: missing`);
    return value;
  }

  optionalText(name: string, max = 256): string | undefined {
    const value = this.#fields[name];
    if (value === undefined || isText(value, max)) return value;
    throw new RequestFailure(400, `${name}: expected a text of 1 to ${max} characters`);
  }

  /** At most `most` texts, of `max` characters each. */
  optionalTexts(name: string, most: number, max: number): readonly string[] | undefined {
    const value = this.#fields[name];
    if (value === undefined) return undefined;
    // An argument of a command may be empty.
    const isOne = (each: unknown) => typeof each === "string" && each.length <= max;
    if (Array.isArray(value) && value.length <= most && value.every(isOne)) return value;
    throw new RequestFailure(400, `${name}: expected at most ${most} texts of at most ${max} characters`);
  }

  /** A whole number from `min` to `max`. */
  whole(name: string, min: number, max: number): number {
    const value = this.#fields[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new RequestFailure(400, `${name}: expected a whole number from ${min} to ${max}`);
  }

  optionalWhole(name: string, min: number, max: number): number | undefined {
    return this.#fields[name] === undefined ? undefined : this.whole(name, min, max);
  }

  flag(name: string): boolean {
    const value = this.#fields[name];
    if (value === undefined || typeof value === "boolean") return value ?? false;
    throw new RequestFailure(400, `${name}: expected true or false`);
  }

  /** An object inside; undefined if it is absent. */
  optionalObject(name: string): CheckedFields | undefined {
    const value = this.#fields[name];
    if (value === undefined) return undefined;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return new CheckedFields(value as Readonly<Record<string, unknown>>);
    }
    throw new RequestFailure(400, `${name}: expected an object`);
  }

  isText(name: string): boolean {
    return typeof this.#fields[name] === "string";
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }
}

function isText(value: unknown, max: number): value is string {
  return typeof value === "string" && value !== "" && value.length <= max;
}
