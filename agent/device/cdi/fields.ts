import { AgentError } from "../../kernel/error.ts";

/**
 * Reads an outside object field by field. Every error is one line that names the field; `end` refuses fields that were
 * not read.
 */
export class Fields {
  readonly #where: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #left: Set<string>;

  /** `where` names the object: "devices[0]", or "" for the whole file. */
  constructor(value: unknown, where: string) {
    this.#where = where;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.#refuse("", "is not an object");
    this.#values = value as Record<string, unknown>;
    this.#left = new Set(Object.keys(value));
  }

  /** Undefined if absent or null. */
  text(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value.includes("\0")) throw this.#refuse(name, "is not a string");
    return value;
  }

  required(name: string): string {
    const value = this.text(name) ?? "";
    if (value === "") throw this.#refuse(name, "is missing");
    return value;
  }

  number(name: string): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw this.#refuse(name, "is not a whole number");
    return value as number;
  }

  texts(name: string): string[] {
    return this.list(name, (value, where) => {
      if (typeof value !== "string" || value.includes("\0"))
        throw new AgentError("internal", `${where} is not a string`);
      return value;
    });
  }

  list<Item>(name: string, decode: (value: unknown, where: string) => Item): Item[] {
    const value = this.#take(name) ?? [];
    if (!Array.isArray(value)) throw this.#refuse(name, "is not a list");
    return value.map((item, index) => decode(item, `${this.#path(name)}[${index}]`));
  }

  object<Item>(name: string, decode: (value: unknown, where: string) => Item): Item | undefined {
    const value = this.#take(name);
    return value === undefined ? undefined : decode(value, this.#path(name));
  }

  /** Accepts any value without reading it. */
  ignore(name: string): void {
    this.#take(name);
  }

  end(): void {
    const [first] = this.#left;
    if (first !== undefined) throw this.#refuse(first, "is not supported");
  }

  #take(name: string): unknown {
    this.#left.delete(name);
    const value = Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
    return value === null ? undefined : value;
  }

  #path(name: string): string {
    return this.#where === "" || name === "" ? this.#where + name : `${this.#where}.${name}`;
  }

  #refuse(name: string, why: string): AgentError {
    return new AgentError("internal", `${this.#path(name).slice(0, 200) || "the file"} ${why}`);
  }
}
