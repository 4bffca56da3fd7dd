// Dialogs: the browser's own <dialog>, so that the page behind is inert, Escape closes it and the focus goes back.
import { h } from './dom.js';

// Where the focus was may have been drawn anew meanwhile: then the element with the same key takes it.
function giveBack(opener) {
  const key = opener?.dataset?.key;
  const target = opener?.isConnected ? opener : key && document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  (target || document.getElementById('main')).focus({ preventScroll: true });
}

// build(close) gives the content. Resolves with what close() is given; undefined for Escape.
export function openDialog(title, build) {
  return new Promise((resolve) => {
    const opener = document.activeElement;
    let result;
    const close = (value) => { result = value; dialog.close(); };
    const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' }, h('h2', { id: 'dialog-title' }, title), build(close));
    dialog.addEventListener('close', () => {
      dialog.remove();
      giveBack(opener);
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
    (dialog.querySelector('[autofocus]') ?? dialog.querySelector('button'))?.focus();
  });
}

const field = ([name, f]) => (f.type === 'checkbox'
  ? h('label', { cls: 'check' }, h('input', { type: 'checkbox', name }), h('span', null, f.label))
  : h('label', null, h('span', null, f.label),
    f.options ? h('select', { name }, f.options.map((o) => h('option', { value: o }, o)))
      : h('input', { type: f.type ?? 'text', name, required: f.required, maxlength: f.max, min: f.min, placeholder: f.placeholder, autocomplete: 'off', spellcheck: 'false',
        value: f.value ?? '' }),
    f.note && h('span', { cls: 'soft small' }, f.note)));

function values(form, fields) {
  return Object.fromEntries(Object.entries(fields).map(([name, f]) => [name, f.type === 'checkbox' ? form.elements[name].checked : form.elements[name].value.trim()]));
}

// Asks, runs `run(values)` while the dialog stands, shows its error in it. Resolves with what run gave, or undefined.
// The focus begins on the first field, else on Cancel: Enter pressed too early does nothing.
export function ask({ title, text = [], fields = {}, action, danger = false, run }) {
  return openDialog(title, (close) => {
    const error = h('p', { cls: 'error', role: 'alert', hidden: true });
    const yes = h('button', { type: 'submit', cls: danger ? 'danger' : 'primary' }, action);
    const form = h('form', { on: { submit } }, Object.entries(fields).map(field), error,
      h('div', { cls: 'row' }, h('button', { type: 'button', autofocus: Object.keys(fields).length === 0, on: { click: () => close() } }, 'Cancel'), yes));
    (form.querySelector('input:not([type=checkbox]), select'))?.setAttribute('autofocus', '');
    async function submit(event) {
      event.preventDefault();
      yes.disabled = true;
      error.hidden = true;
      try {
        close((await run(values(form, fields))) ?? true);
      } catch (e) {
        error.textContent = e.message;
        error.hidden = false;
        yes.disabled = false;
      }
    }
    return [text.map((t) => h('p', { cls: 'soft' }, t)), form];
  });
}
