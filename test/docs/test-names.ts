import { readFileSync } from "node:fs";
import ts from "typescript";

/** A `describe` or `it` of a test file, with the depth at which it stands. */
export interface TestName {
  readonly depth: number;
  readonly name: string;
}

/** Names that a file gives to its suites and tests, in order. Names that are not written as text are left out. */
export function testNames(path: string): readonly TestName[] {
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, false);
  const names: TestName[] = [];
  const visit = (node: ts.Node, depth: number): void => {
    const name = ts.isCallExpression(node) && isTest(node.expression) ? nameOf(node.arguments[0], source) : undefined;
    if (name !== undefined) names.push({ depth, name });
    ts.forEachChild(node, (child) => visit(child, name === undefined ? depth : depth + 1));
  };
  visit(source, 0);
  return names;
}

/** True for `it`, `test`, `describe`, what is made of them (`it.each(…)`) and our own `describeInNamespaces`. */
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
