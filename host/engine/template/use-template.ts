import type { StoredTemplate } from "./template-store.ts";

/** A template that isn't removed until disposal. */
export interface UsedTemplate extends Disposable {
  readonly template: StoredTemplate;
}

/** Loads the store and notes that a guest is being started from a template, if one is named. Throws OperationError. */
export async function useTemplate(name: string | undefined, guest: string): Promise<UsedTemplate | undefined> {
  if (name === undefined) return undefined;
  const { TemplateStore } = await import("./template-store.ts");
  const store = new TemplateStore();
  const template = await store.get(name);
  const use = store.use(template, guest);
  return { template, [Symbol.dispose]: () => use[Symbol.dispose]() };
}
