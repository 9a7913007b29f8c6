import type { CodeName } from "../../../proto/codes.ts";
import type { ConformanceCase, Level } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { refused } from "../check.ts";

type Call = (context: CaseContext) => Promise<unknown>;

export const none = { container_id: "conf-no-such", exec_id: "conf-no-such" };
export const TABLE = "error table of the reference";

/** Returns a case in which each call is refused with one of the codes and the text. */
export function row(
  name: string,
  level: Level,
  codes: readonly CodeName[],
  text: RegExp,
  calls: readonly Call[],
  source = TABLE,
  needs: ConformanceCase["needs"] = ["sandbox"],
): ConformanceCase {
  return {
    ...{ name, level, source, needs: needs ?? [] },
    run: async (context) => {
      for (const call of calls) await refused(call(context), { codes, text });
    },
  };
}
