import { readFileSync } from "node:fs";
import ts from "typescript";

/** The name of a `describe` or `it` in a test file, or of a case of the conformance suite, with its nesting depth. */
export interface TestName {
  readonly depth: number;
  readonly name: string;
}

/** Returns the names of a file's suites and tests, in order. Leaves out computed names. */
export function testNames(path: string): readonly TestName[] {
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, false);
  const names: TestName[] = [];
  const visit = (node: ts.Node, depth: number): void => {
    const name = nameOf(titleOf(node), source);
    if (name !== undefined) names.push({ depth, name });
    ts.forEachChild(node, (child) => visit(child, name === undefined ? depth : depth + 1));
  };
  visit(source, 0);
  return names;
}

/** Returns the expression of a test's or case's name; undefined for every other node. */
function titleOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isCallExpression(node)) return isTest(node.expression) ? node.arguments[0] : undefined;
  if (!ts.isObjectLiteralExpression(node)) return undefined;
  const property = (name: string) =>
    node.properties.filter(ts.isPropertyAssignment).find((one) => ts.isIdentifier(one.name) && one.name.text === name);
  return property("level") === undefined ? undefined : property("name")?.initializer;
}

/**
 * True for `it`, `test` and `describe`, calls on them such as `it.each(…)`, and our own functions such as
 * `describeInNamespaces`.
 */
function isTest(callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) return /^(it|test|describe)([A-Z]\w*)?$/.test(callee.text);
  return (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee)) && isTest(callee.expression);
}

function nameOf(argument: ts.Expression | undefined, source: ts.SourceFile): string | undefined {
  if (argument === undefined) return undefined;
  if (ts.isStringLiteral(argument) || ts.isNoSubstitutionTemplateLiteral(argument)) return argument.text;
  if (!ts.isTemplateExpression(argument)) return undefined;
  const spans = argument.templateSpans.map(
    ({ expression, literal }) => `\${${expression.getText(source)}}${literal.text}`,
  );
  return argument.head.text + spans.join("");
}
