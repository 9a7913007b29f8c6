import { parseSize } from "../../../lib/parse-size.ts";
import { OperationError } from "../../operation-error.ts";
import type { StoredTemplate, TemplateStore } from "./template-store.ts";

const DEFAULT_LIMIT = 10 * 2 ** 30;

/** Returns the bytes that the store may have: GUESTCTL_TEMPLATE_LIMIT, such as "20g", otherwise 10 GiB. */
export function templateLimit(text = process.env["GUESTCTL_TEMPLATE_LIMIT"]): number {
  if (text === undefined || text === "") return DEFAULT_LIMIT;
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new OperationError(`GUESTCTL_TEMPLATE_LIMIT=${text}: expected a size such as 20g; correct it or unset it`);
}

/**
 * Adds a template (`TemplateStore.create`), then removes others until the store is within its limit. Returns it, and the
 * names of those that were removed. Throws OperationError if it alone is beyond the limit.
 */
export async function addTemplate(
  store: TemplateStore,
  name: string,
  make: (directory: string) => Promise<unknown>,
  limit = templateLimit(),
): Promise<{ readonly template: StoredTemplate; readonly removed: readonly string[] }> {
  const template = await store.create(name, make);
  if (template.size <= limit) return { template, removed: await makeRoom(store, name, limit) };
  await store.remove(template);
  const sizes = `its ${template.size} bytes are more than the ${limit} of the store`;
  throw new OperationError(`template ${name}: ${sizes}; use less --vm-memory, or set GUESTCTL_TEMPLATE_LIMIT`);
}

/**
 * Removes templates until the store is within its limit: those not used for the longest time first, never one from which
 * a guest is being started, and never `kept`. Returns the names of the removed ones.
 */
async function makeRoom(store: TemplateStore, kept: string, limit = templateLimit()): Promise<readonly string[]> {
  const templates = await store.list();
  let size = templates.reduce((sum, template) => sum + template.size, 0);
  const removed: string[] = [];
  for (const template of templates.toReversed()) {
    if (size <= limit) break;
    if (template.name === kept || !(await store.remove(template))) continue;
    size -= template.size;
    removed.push(template.name);
  }
  return removed;
}
