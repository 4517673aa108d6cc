;;; lsp-mode.el --- what a person does in Emacs with lsp-mode, one scenario a run  -*- lexical-binding: t -*-

;; The configuration that docs give to people, with the command taken from the environment. Loaded after emacs.el, whose
;; steps it shares.

;;; Code:

(require 'lsp-mode)
(require 'lsp-inline-completion)

(setq lsp-auto-configure nil
      lsp-enable-suggest-server-download nil
      lsp-restart 'ignore
      lsp-session-file (expand-file-name "lsp-session" temporary-file-directory))

(lsp-register-client
 (make-lsp-client :new-connection (lsp-stdio-connection
                                   (lambda () (append (json-parse-string (getenv "SEEDFILL_TEST_COMMAND")) nil)))
                  :activation-fn (lsp-activate-on "python")
                  :initialization-options '(:completion (:debounceMs 0))
                  :add-on? t
                  :server-id 'seedfill))

(defun seedfill-test-lsp-open (file)
  "Visit FILE and connect."
  (seedfill-test-visit file)
  (lsp-workspace-folders-add (file-name-directory file))
  (lsp)
  (seedfill-test-wait (lambda () (and (lsp-workspaces)
                                      (eq (lsp--workspace-status (car (lsp-workspaces))) 'initialized)))
                      "The start of the server")
  (seedfill-test-note))

(defun seedfill-test-lsp-shown ()
  "The ghost text, nil where there is none."
  (and (overlayp lsp-inline-completion--overlay)
       (substring-no-properties (overlay-get lsp-inline-completion--overlay 'after-string))))

(defun seedfill-test-lsp-ghost (typed)
  "Type TYPED, ask for ghost text, note it in its place, accept it, undo that."
  (insert typed)
  (undo-boundary)
  (lsp-inline-completion-display)
  (unless (seedfill-test-lsp-shown) (error "There is no ghost text"))
  (push (seedfill-test-lsp-shown) seedfill-test-steps)
  (lsp-inline-completion-accept)
  (seedfill-test-note)
  (seedfill-test-undo))

(defun seedfill-test-lsp-dismiss (typed)
  "Type TYPED, ask for ghost text, dismiss it."
  (insert typed)
  (lsp-inline-completion-display)
  (push (seedfill-test-lsp-shown) seedfill-test-steps)
  (lsp-inline-completion-cancel)
  (when (seedfill-test-lsp-shown) (error "The ghost text stays"))
  (seedfill-test-note))

(defun seedfill-test-lsp-action (title)
  "Choose the code action called TITLE at the cursor, undo what it did."
  (let* ((offered (append (lsp-code-actions-at-point) nil))
         (action (seq-find (lambda (it) (equal (lsp:code-action-title it) title)) offered))
         (before (buffer-string)))
    (unless action (error "Not offered: %S" offered))
    (undo-boundary)
    (lsp-execute-code-action action)
    (seedfill-test-wait (lambda () (not (equal (buffer-string) before))) "The edit")
    (seedfill-test-note)
    (seedfill-test-undo)))

(defun seedfill-test-lsp-run ()
  "Play the scenario that the environment names."
  (pcase-let ((`(,file ,scenario ,argument) (append (json-parse-string (getenv "SEEDFILL_TEST_SCENARIO")) nil)))
    (seedfill-test-lsp-open file)
    (funcall (intern (concat "seedfill-test-lsp-" scenario)) argument)
    (set-buffer-modified-p nil)
    (lsp-workspace-shutdown (car (lsp-workspaces)))
    (seedfill-test-write)))

;;; lsp-mode.el ends here
