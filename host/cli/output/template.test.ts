import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { template } from "./template.ts";

const record = {
  id: "web",
  state: { status: "exited", exitCode: 3 },
  args: ["sh", "-c", "true"],
  env: [],
  labels: { "a.b": "c" },
};

test.each([
  ["{{.State.Status}}", "exited"],
  ["{{.id}}: {{ .state.ExitCode }}", "web: 3"],
  ["{{json .State}}", '{"status":"exited","exitCode":3}'],
  ["{{.State}}", '{"status":"exited","exitCode":3}'],
  ['{{join .Args " "}}', "sh -c true"],
  ["{{len .Args}} {{len .Id}} {{len .State}}", "3 3 2"],
  ["{{index .Args 0}}", "sh"],
  ['{{index .Labels "a.b"}}', "c"],
  ["{{upper .State.Status}}{{lower .Id}}", "EXITEDweb"],
  ['{{"text"}}\\t{{.Id}}\\n', "text\tweb\n"],
  ["plain", "plain"],
])("%s gives %j", (text, formatted) => {
  expect(template(text)(record)).toBe(formatted);
});

test.each([
  ["{{range .Args}}{{.}}{{end}}", "{{range .Args}}: range is not supported; supported are {{.Field.Field}}"],
  ["{{if .Id}}x{{end}}", "{{if .Id}}: if is not supported"],
  ["{{.Id | upper}}", "{{.Id | upper}} is not supported"],
  ["{{- .Id}}", "{{- .Id}}: trimming of spaces is not supported"],
  ["{{printf .Id}}", "printf is not supported"],
  ["{{}}", "{{}} is not supported"],
  ["{{.Id", "An action is not closed"],
  [".Id}}", "An action is not closed"],
  ["{{join .Args}}", "{{join .Args}}: join has 2 operands"],
])("%s is refused by name", (text, message) => {
  expect(() => template(text)).toThrow(InvalidArgumentError);
  expect(() => template(text)).toThrow(message);
});

test.each([
  ["{{.State.Nope}}", "--format: there is no field .State.Nope; fields there: status, exitCode"],
  ["{{.Id.More}}", "--format: there is no field .Id.More; fields there: none"],
  ['{{join .Id ","}}', "--format: join: the field is not a list"],
  ["{{index .Args 9}}", "--format: index: the field has no item 9"],
  ["{{len .State.ExitCode}}", "--format: len: the field has no length"],
])("%s is an error for a record without it", (text, message) => {
  expect(() => template(text)(record)).toThrow(new CliError(message));
});

test("control characters of a record are escapes", () => {
  expect(template("{{.a}}{{json .}}")({ a: "\u001b[2J\n" })).toBe('\\u001b[2J\\u000a{"a":"\\u001b[2J\\n"}');
});
