// Another source of inline suggestions: it answers at once wherever a comment in the document says what.

const { InlineCompletionItem, languages, Range } = require("vscode");

exports.activate = (context) => {
  const provideInlineCompletionItems = (document, position) => {
    const told = /^# other: (.*)$/m.exec(document.getText());
    return told ? [new InlineCompletionItem(told[1], new Range(position, position))] : [];
  };
  context.subscriptions.push(
    languages.registerInlineCompletionItemProvider({ language: "python" }, { provideInlineCompletionItems }),
  );
};
