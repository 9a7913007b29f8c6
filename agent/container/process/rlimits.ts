import { RLIMITS } from "../../kernel/constants.ts";
import { refuse } from "../refuse.ts";

export function rlimitNumber(type: string): number {
  const number = RLIMITS.indexOf(type.toUpperCase());
  if (number < 0) throw refuse("process.rlimits", `has an unknown type "${type}"`);
  return number;
}
