import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar, type YAMLMap } from "yaml";

/**
 * The part of JSON Schema that the recipe's schema uses. ajv reports all branches of `oneOf`, and positions only as
 * JSON pointers: to map its errors to these messages and lines takes as much code.
 */
export interface Schema {
  readonly $ref?: string;
  readonly type?: "object" | "array" | "string" | "boolean";
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  /** Alternatives, distinguished by the first key that each requires. */
  readonly oneOf?: readonly Schema[];
  readonly $defs?: Readonly<Record<string, Schema>>;
}

/** First deviation of a document from its schema. `node` is the YAML node at fault, if there is one. */
export interface Mistake {
  readonly node: Node | undefined;
  /** Path such as "sources[2].mode"; "" for the whole document. */
  readonly key: string;
  readonly text: string;
}

const NAMES = { object: "a mapping", array: "a list", string: "text, in quotes", boolean: "true or false" } as const;

/**
 * Returns the first mistake in a document, or undefined. All objects in the schema are closed: unknown keys are
 * refused.
 */
export function findMistake(node: Node | null, schema: Schema, root: Schema = schema, key = ""): Mistake | undefined {
  const mistake = (text: string, at: Node | null = node): Mistake => ({ node: at ?? undefined, key, text });
  if (schema.$ref !== undefined) {
    return findMistake(node, root.$defs?.[schema.$ref.replace("#/$defs/", "")] ?? {}, root, key);
  }
  if (isAlias(node)) return mistake("aliases are not supported: write it out");
  if (schema.oneOf !== undefined) {
    const all = schema.oneOf.map((one) => resolved(one, root));
    const [fit, other] = isMap(node) ? all.filter(({ required: [first = ""] = [] }) => node.has(first)) : [];
    if (other !== undefined) return mistake(`both ${fit?.required?.[0]} and ${other.required?.[0]}: use one`);
    if (fit !== undefined) return findMistake(node, fit, root, key);
    return mistake(`needs one of the keys ${all.map(({ required }) => required?.[0]).join(", ")}`);
  }
  if (schema.type === "object") return isMap(node) ? inMap(node, schema, root, key) : mistake(kindText(schema));
  if (schema.type === "array") {
    if (!isSeq(node)) return mistake(kindText(schema));
    if (node.items.length < (schema.minItems ?? 0)) return mistake("must not be empty");
    return firstOf(node.items, (item, at) => findMistake(item as Node, schema.items ?? {}, root, `${key}[${at}]`));
  }
  if (!isScalar(node)) return mistake(kindText(schema));
  return scalarMistake(node, schema, mistake);
}

function inMap(node: YAMLMap, schema: Schema, root: Schema, key: string): Mistake | undefined {
  const known = schema.properties ?? {};
  const below = (name: string) => (key === "" ? name : `${key}.${name}`);
  const wrong = firstOf(node.items as Pair<Node, Node | null>[], (pair) => {
    const name = isScalar(pair.key) ? String(pair.key.value) : "?";
    const part = Object.hasOwn(known, name) ? known[name] : undefined;
    if (part !== undefined) return findMistake(pair.value ?? pair.key, part, root, below(name));
    return { node: pair.key, key: below(name), text: `unknown key; use one of ${Object.keys(known).join(", ")}` };
  });
  const missing = schema.required?.find((name) => !node.has(name));
  return wrong ?? (missing === undefined ? undefined : { node, key: below(missing), text: "missing" });
}

function scalarMistake({ value }: Scalar, schema: Schema, mistake: (text: string) => Mistake): Mistake | undefined {
  if (schema.enum !== undefined) {
    return schema.enum.some((one) => one === value) ? undefined : mistake(`not one of ${schema.enum.join(", ")}`);
  }
  if (typeof value !== String(schema.type)) return mistake(kindText(schema));
  if (schema.pattern === undefined || new RegExp(schema.pattern).test(String(value))) return undefined;
  return mistake(`${JSON.stringify(value)} does not match ${schema.pattern}`);
}

function kindText({ type = "string" }: Schema): string {
  return `must be ${NAMES[type]}`;
}

function resolved(schema: Schema, root: Schema): Schema {
  return schema.$ref === undefined ? schema : (root.$defs?.[schema.$ref.replace("#/$defs/", "")] ?? {});
}

function firstOf<T>(items: readonly T[], find: (item: T, at: number) => Mistake | undefined): Mistake | undefined {
  for (const [at, item] of items.entries()) {
    const found = find(item, at);
    if (found !== undefined) return found;
  }
  return undefined;
}
