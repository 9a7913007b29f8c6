import { whyReadOnly } from "../state/page-state.ts";

/** Why buttons beside it can't be used: that the page is read-only, or `text`. */
export function Reason({ text }: { readonly text: string | undefined }) {
  const why = whyReadOnly() ?? text;
  return why === undefined ? null : <span class="quiet">{why}</span>;
}
