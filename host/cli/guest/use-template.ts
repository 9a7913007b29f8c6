import type { Template } from "../../guests/template/template-store.ts";

/** Loads the store and notes that a guest is being started from a template, if one is named. */
export async function useTemplate(
  name: string | undefined,
  guest: string,
): Promise<(Template & Disposable) | undefined> {
  if (name === undefined) return undefined;
  const { TemplateStore } = await import("../../guests/template/template-store.ts");
  return new TemplateStore().use(name, guest);
}

/** Returns the option that starts a guest from a template. */
export function snapshotOf(template: Template | undefined): { readonly snapshot?: string } {
  return template === undefined ? {} : { snapshot: template.directory };
}
