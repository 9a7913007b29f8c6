import { KindRouter, type Reflection } from "typedoc";

/** Names a page's file after the page's source, not its title: docs/sdk.md becomes documents/sdk.html. */
export class PageRouter extends KindRouter {
  protected override getIdealBaseName(reflection: Reflection): string {
    const file = reflection.isDocument() ? reflection.frontmatter["file"] : undefined;
    return typeof file === "string" ? `documents/${file}` : super.getIdealBaseName(reflection);
  }
}
