/**
 * Makes xterm.js work under a Content-Security-Policy without inline styles. It writes style sheets into style elements, and
 * colours into style attributes; the policy ignores both. Constructed sheets and the CSSOM do the same and are allowed, as only
 * a script that runs already can use them.
 */
export function installStrictStyles(): void {
  if (isInstalled) return;
  isInstalled = true;
  const createElement = document.createElement.bind(document);
  document.createElement = ((name: string, options?: ElementCreationOptions) => {
    // An empty style element is reported as a violation too; a template is not rendered either.
    if (name === "style") return withConstructedSheet(createElement("template"));
    return createElement(name, options);
  }) as typeof document.createElement;
  const setAttribute = HTMLSpanElement.prototype.setAttribute;
  HTMLSpanElement.prototype.setAttribute = function (name: string, value: string) {
    if (name === "style") this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };
}

let isInstalled = false;

/** Redirects an element's text to a sheet of the document, which is removed with the element. */
function withConstructedSheet(element: HTMLElement): HTMLElement {
  const sheet = new CSSStyleSheet();
  const remove = element.remove.bind(element);
  Object.defineProperty(element, "textContent", {
    get: () => "",
    set(text: string) {
      sheet.replaceSync(text);
      if (!document.adoptedStyleSheets.includes(sheet)) document.adoptedStyleSheets.push(sheet);
    },
  });
  element.remove = () => {
    remove();
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
  };
  return element;
}
