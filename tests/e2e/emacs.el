;;; emacs.el --- what a person does in Emacs with eglot, one scenario a run  -*- lexical-binding: t -*-

;; The configuration that docs give to people, with the command taken from the environment. A scenario writes what the
;; buffer holds after each step to the file that SEEDFILL_TEST_RESULT names, as a JSON list.

;;; Code:

(setq native-comp-jit-compilation nil
      native-comp-enable-subr-trampolines nil)

(require 'eglot)
(require 'json)

(setq eglot-sync-connect 30
      eglot-confirm-server-edits nil
      eglot-send-changes-idle-time 0)

(add-to-list 'eglot-server-programs
             `(python-mode . (,@(append (json-parse-string (getenv "SEEDFILL_TEST_COMMAND")) nil)
                              :initializationOptions (:completion (:fallback t :debounceMs 0)))))

(defvar seedfill-test-steps nil "What the buffer held, newest first.")

(defun seedfill-test-note ()
  "Remember what the buffer holds."
  (push (buffer-substring-no-properties (point-min) (point-max)) seedfill-test-steps))

(defun seedfill-test-visit (file)
  "Visit FILE with the cursor at the end of its line that ends in |."
  (find-file file)
  (python-mode)
  (buffer-enable-undo)
  (goto-char (point-min))
  (when (search-forward "|" nil t) (delete-char -1))
  (setq buffer-undo-list nil))

(defun seedfill-test-open (file)
  "Visit FILE and connect."
  (seedfill-test-visit file)
  (apply #'eglot (eglot--guess-contact))
  (seedfill-test-note))

(defun seedfill-test-undo ()
  "Take the last change back."
  (undo-boundary)
  (setq last-command nil)
  (undo)
  (seedfill-test-note))

(defun seedfill-test-wait (holds what)
  "Wait until HOLDS returns true; WHAT says what is waited for."
  (with-timeout (30 (error "%s did not happen; the buffer holds %S" what (buffer-string)))
    (while (not (funcall holds)) (accept-process-output nil 0.05))))

(defun seedfill-test-completion (typed)
  "Type TYPED, take the one completion that is offered, undo that."
  (insert typed)
  (undo-boundary)
  (pcase-let* ((`(,from ,to ,table . ,properties) (eglot-completion-at-point))
               (offered (all-completions (buffer-substring from to) table)))
    (unless (= (length offered) 1) (error "%d completions are offered" (length offered)))
    (delete-region from to)
    (insert (car offered))
    (funcall (plist-get properties :exit-function) (car offered) 'finished)
    (seedfill-test-note)
    (seedfill-test-undo)))

(defun seedfill-test-action (title)
  "Choose the code action called TITLE at the cursor, undo what it did."
  (let* ((offered (eglot-code-actions (line-beginning-position) (line-end-position)))
         (action (seq-find (lambda (it) (equal (plist-get it :title) title)) offered))
         (before (buffer-string)))
    (unless action (error "Not offered: %S" offered))
    (undo-boundary)
    (eglot-execute (eglot-current-server) action)
    (seedfill-test-wait (lambda () (not (equal (buffer-string) before))) "The edit")
    (seedfill-test-note)
    (seedfill-test-undo)))

(defun seedfill-test-write ()
  "Write down what was noted."
  (let ((coding-system-for-write 'utf-8))
    (with-temp-file (getenv "SEEDFILL_TEST_RESULT")
      (insert (json-serialize (vconcat (nreverse seedfill-test-steps)))))))

(defun seedfill-test-run ()
  "Play the scenario that the environment names."
  (pcase-let ((`(,file ,scenario ,argument) (append (json-parse-string (getenv "SEEDFILL_TEST_SCENARIO")) nil)))
    (seedfill-test-open file)
    (funcall (intern (concat "seedfill-test-" scenario)) argument)
    (set-buffer-modified-p nil)
    (eglot-shutdown (eglot-current-server))
    (seedfill-test-write)))

;;; emacs.el ends here
