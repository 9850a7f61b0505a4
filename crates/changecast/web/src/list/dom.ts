// Making elements. Text only ever becomes text: nothing here, or anywhere in the list, parses HTML.

export type Child = Node | string;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (children.length > 0) made.append(...children);
  return made;
}

export function button(className: string, title: string, ...children: Child[]): HTMLButtonElement {
  const made = element("button", className, ...children);
  made.type = "button";
  made.title = title;
  return made;
}

/** The element an event began at, also inside a shadow root. */
export function startOf(event: Event): Element | undefined {
  const [start] = event.composedPath();
  return start instanceof Element ? start : undefined;
}

/** The element that has the focus, in whichever tree `node` is. */
export function focusedBeside(node: Node): Element | null {
  const root = node.getRootNode();
  return root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
}
