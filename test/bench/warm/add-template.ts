import { containerNotes } from "../../../host/engine/template/container-notes.ts";
import { makeTemplate } from "../../../host/engine/template/make-template.ts";
import { startTemplateContainer } from "../../../host/engine/template/template-container.ts";
import { TemplateStore } from "../../../host/engine/template/template-store.ts";

/** Makes a template with a container of an image, in which the commands have run. */
export async function addTemplate(
  name: string,
  { image, commands }: { readonly image: string; readonly commands: readonly (readonly [string, ...string[]])[] },
): Promise<void> {
  const { signal } = new AbortController();
  const output = { stdout: process.stderr, stderr: process.stderr };
  const container = { name, image: { path: image }, imageText: image, commands, output, signal };
  await new TemplateStore().create(name, (path) =>
    makeTemplate(path, {
      name,
      prepare: async (client, guest) => containerNotes([await startTemplateContainer(client, guest, container)]),
    }),
  );
}
