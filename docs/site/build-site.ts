import { readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import {
  Application,
  Converter,
  DocumentReflection,
  type NormalizedPath,
  PageEvent,
  type ProjectReflection,
} from "typedoc";
import { examplesPage } from "./examples-page.ts";
import { OTHER_PAGES, readPageGroups } from "./page-groups.ts";
import { PageRouter } from "./page-router.ts";

const EXAMPLES = "Examples";
/** Name by which TypeDoc groups the API reference. */
const MODULES = "Modules";
const root = join(import.meta.dirname, "../..");
const at = (path: string) => join(root, path) as NormalizedPath;
const groups = readPageGroups(readFileSync(at("docs/README.md"), "utf8"));

/**
 * Builds the documentation site: the README, all pages, the examples and the SDK's API reference, as static files that
 * load nothing from elsewhere. Throws if TypeDoc reports an error or a warning, such as a link that leads nowhere.
 */
export async function buildSite(to: string): Promise<void> {
  const app = await Application.bootstrap({
    options: at("typedoc.json"),
    name: "guestd",
    readme: at("README.md"),
    projectDocuments: ["docs/*.md", "{ARCHITECTURE,CHANGELOG,CONTRIBUTING,SECURITY}.md"].map(at),
    router: "pages",
    customCss: at("docs/site/style.css"),
    lightHighlightTheme: "github-light-high-contrast",
    darkHighlightTheme: "github-dark-high-contrast",
    highlightLanguages: ["bash", "docker", "javascript", "json", "sh", "toml", "typescript", "yaml"],
    ignoredHighlightLanguages: ["mermaid", "text"],
    navigation: { includeGroups: true, includeCategories: false },
    groupOrder: [...groups.titles, EXAMPLES, OTHER_PAGES, MODULES],
    searchInDocuments: true,
    headings: { readme: false, document: false },
    hideGenerator: true,
    githubPages: false,
    disableSources: true,
  });
  app.renderer.defineRouter("pages", PageRouter);
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, page) => describePage(app, page));
  app.converter.on(Converter.EVENT_CREATE_PROJECT, (_context, project) => {
    project.files.registerReflectionPath(at("README.md"), project);
    addExamples(project);
  });
  app.renderer.on(PageEvent.END, nameStartPage);
  const project = await app.convert();
  if (project === undefined) throw new Error("the documentation site: TypeDoc found nothing to document");
  app.validate(project);
  await app.generateDocs(project, to);
  const { errorCount, warningCount } = app.logger;
  if (errorCount + warningCount > 0) {
    throw new Error(`the documentation site: TypeDoc reports ${errorCount} errors and ${warningCount} warnings`);
  }
}

/** Gives a page its title, its group in the navigation and its file. */
function describePage(app: Application, page: DocumentReflection): void {
  const path = relative(root, app.files.getReflectionPath(page) ?? "");
  page.name = /^# (.*)$/m.exec(readFileSync(at(path), "utf8"))?.[1] ?? page.name;
  page.frontmatter["group"] = groups.ofPage.get(path) ?? OTHER_PAGES;
  page.frontmatter["file"] = basename(path, ".md");
}

/** Adds the page of examples. Links to examples/ lead to it. */
function addExamples(project: ProjectReflection): void {
  const content = [{ kind: "text" as const, text: examplesPage(at("examples")) }];
  const page = new DocumentReflection(EXAMPLES, project, content, { group: EXAMPLES, file: "examples" });
  project.addChild(page);
  project.registerReflection(page, undefined, at("examples"));
}

/** Completes links to the start page, of which TypeDoc writes only the folder: without a server that is no page. */
function nameStartPage(page: PageEvent): void {
  page.contents = (page.contents ?? "").replaceAll(/href="((?:\.\.?\/)+)(?=[#"])/g, 'href="$1index.html');
}
