import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { toSpec } from "../../agent/service/oci-spec.ts";
import { specFromJson } from "../../host/oci/config-json.ts";
import { everythingMade } from "./everything-made.ts";
import { promisesOf } from "./evidence.ts";
import { configsOf, OCI_FIELDS } from "./oci-fields.ts";
import { page, repository } from "./pages.ts";

interface Row {
  readonly fields: readonly string[];
  readonly becomes: string;
}

const spans = (text: string): string[] => Array.from(text.matchAll(/`([^`]+)`/g), (match) => match[1] ?? "");

/** Expands `a.{b,c}` to a.b and a.c. */
function expand(path: string): string[] {
  const [, before = "", names = "", after = ""] = /^(.*?)\{(.*?)\}(.*)$/.exec(path) ?? [];
  return names === "" ? [path] : names.split(",").map((name) => before + name + after);
}

const rows: readonly Row[] = page("docs/oci.md")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => {
    const [fields = "", becomes = ""] = line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""));
    return { fields: spans(fields).flatMap(expand), becomes };
  });

const shown = Array.from(
  promisesOf("docs/oci.md"),
  ([fields, tests]) => [spans(fields).flatMap(expand), tests] as const,
);

const made = (config: object) => everythingMade(toSpec(specFromJson(config, "config.json")));

describe("docs/oci.md", () => {
  it("lists every field of the spec once", () => {
    expect(rows.flatMap(({ fields }) => fields).toSorted()).toEqual(Object.keys(OCI_FIELDS).toSorted());
  });

  it("lists every field of the messages that carry the spec", () => {
    const names = new Set(Object.keys(OCI_FIELDS).flatMap((path) => path.toLowerCase().split(/[.[\]]+/)));
    const unknown = messageFields().filter((name) => !names.has(name.toLowerCase()));
    // `Version` is ociVersion, and `errnoret` is one word in protobuf. The other two are placeholders.
    expect(unknown).toEqual(["Version", "dummy", "dummy"]);
  });

  it.each(rows.flatMap((row) => row.fields.map((field) => [field, row] as const)))(
    "says correctly what %s becomes",
    (field, { becomes }) => {
      const [before, after] = configsOf(field);
      const old = made(before);
      const words = spans(becomes);
      if (becomes.startsWith("refused")) return expect(() => made(after)).toThrow(words[0]);
      const now = made(after);
      const whole = (list: typeof old) => new Set(list.map((one) => one.whole));
      const changed = [
        ...now.filter((one) => !whole(old).has(one.whole)),
        ...old.filter((one) => !whole(now).has(one.whole)),
      ];
      expect(changed.filter(({ text }) => words.some((word) => text.includes(word)))).not.toEqual([]);
    },
  );

  it("names a test for every field", () => {
    expect(shown.flatMap(([fields]) => fields).toSorted()).toEqual(Object.keys(OCI_FIELDS).toSorted());
  });

  it.each(shown.flatMap(([fields, tests]) => tests.map((file) => [file, fields] as const)))(
    "names only tests that mention their field: %s, %j",
    (file, fields) => {
      if (file === "test/docs/oci-page.test.ts") return;
      const text = readFileSync(join(repository, file), "utf8").toLowerCase();
      const names = fields.map((field) => field.split(".").at(-1)?.replace("[]", "").toLowerCase() ?? "");
      expect(names.filter((name) => !text.includes(name))).toEqual([]);
    },
  );
});

/** Returns the names of all fields of grpc.Spec and its nested messages. */
function messageFields(): string[] {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(repository, "proto", target);
  root.loadSync("oci.proto", { keepCase: true }).resolveAll();
  const seen = new Set<protobuf.Type>();
  const visit = (type: protobuf.Type): string[] => {
    if (seen.has(type)) return [];
    seen.add(type);
    return type.fieldsArray.flatMap((field) => [
      field.name,
      ...(field.resolvedType instanceof protobuf.Type ? visit(field.resolvedType) : []),
    ]);
  };
  return visit(root.lookupType("grpc.Spec"));
}
