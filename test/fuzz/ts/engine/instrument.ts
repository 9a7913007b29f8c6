import { type AnyNode, type BinaryExpression, parse } from "acorn";
import { full } from "acorn-walk";

/** Text to insert at a position, before or after a node. */
interface Insertion {
  readonly at: number;
  readonly text: string;
  readonly closes: boolean;
  /**
   * End of the node if the text opens it, start of the node if it closes it. At one position, the opening of the longer
   * node comes first.
   */
  readonly other: number;
  /** Number of characters that the text replaces. */
  readonly replaces?: number;
}

/** Returns JavaScript that calls `$hit(id)` for each branch that it takes and `$same(a, b)` for each comparison. */
export function instrument(code: string, nextId: () => number): string {
  const insertions: Insertion[] = [];
  const tree = parse(code, { ecmaVersion: "latest", sourceType: "module", allowReturnOutsideFunction: true });
  full(tree as AnyNode, (node) => insertions.push(...insertionsOf(node as AnyNode, code, nextId)));
  return apply(code, insertions);
}

function insertionsOf(node: AnyNode, code: string, nextId: () => number): Insertion[] {
  const hit = () => `$hit(${nextId()})`;
  const inside = (body: AnyNode): Insertion[] =>
    body.type === "BlockStatement"
      ? [{ at: body.start + 1, text: `${hit()};`, closes: false, other: Number.POSITIVE_INFINITY }]
      : around(body, `{${hit()};`, "}");
  const value = (body: AnyNode): Insertion[] => around(body, `(${hit()},`, ")");
  switch (node.type) {
    case "FunctionDeclaration":
    case "FunctionExpression":
      return inside(node.body);
    case "ArrowFunctionExpression":
      return node.body.type === "BlockStatement" ? inside(node.body) : value(node.body);
    case "IfStatement": {
      const other = node.alternate;
      const otherwise =
        other == null
          ? [{ at: node.end, text: ` else {${hit()};}`, closes: true, other: node.start }]
          : inside(other as AnyNode);
      return [...inside(node.consequent), ...otherwise];
    }
    case "ForStatement":
    case "ForInStatement":
    case "ForOfStatement":
    case "WhileStatement":
    case "DoWhileStatement":
      return inside(node.body);
    case "CatchClause":
      return inside(node.body);
    case "SwitchCase": {
      const first = node.consequent[0];
      if (first === undefined) return [];
      return [{ at: first.start, text: `${hit()};`, closes: false, other: Number.POSITIVE_INFINITY }];
    }
    case "ConditionalExpression":
      return [...value(node.consequent), ...value(node.alternate)];
    case "LogicalExpression":
    case "AssignmentPattern":
      return value(node.right);
    case "BinaryExpression":
      return comparison(node, code);
    default:
      return [];
  }
}

/** Rewrites `a === b` as `$same(a, b)`. */
function comparison(node: BinaryExpression, code: string): Insertion[] {
  const { operator, left, right } = node;
  if ((operator !== "===" && operator !== "!==") || left.type === "UnaryExpression") return [];
  const between = code.slice(left.end, right.start);
  const at = left.end + between.indexOf(operator);
  if (between.split(operator).length !== 2) return [];
  return [
    ...around(node, operator === "===" ? "$same(" : "!$same(", ")"),
    { at, text: ",", closes: true, other: 0, replaces: operator.length },
  ];
}

const around = ({ start, end }: { start: number; end: number }, open: string, close: string): Insertion[] => [
  { at: start, text: open, closes: false, other: end },
  { at: end, text: close, closes: true, other: start },
];

function apply(code: string, insertions: readonly Insertion[]): string {
  // Inner nodes were visited first. At one position, their openings come last and their closings first.
  const ordered = [...insertions.entries()].sort(([visitA, a], [visitB, b]) => {
    if (a.at !== b.at) return a.at - b.at;
    if (a.closes !== b.closes) return a.closes ? -1 : 1;
    return b.other - a.other || (a.closes ? visitA - visitB : visitB - visitA);
  });
  let [out, from] = ["", 0];
  for (const [, { at, text, replaces = 0 }] of ordered) {
    out += code.slice(from, at) + text;
    from = at + replaces;
  }
  return out + code.slice(from);
}
