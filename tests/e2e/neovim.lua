-- The configuration that docs give to people, with the command and the options taken from the environment.
vim.lsp.config('seedfill', {
  cmd = vim.json.decode(vim.env.SEEDFILL_TEST_COMMAND),
  filetypes = { 'python' },
  root_markers = { '.git' },
  init_options = vim.json.decode(vim.env.SEEDFILL_TEST_OPTIONS),
  flags = { debounce_text_changes = tonumber(vim.env.SEEDFILL_TEST_HOLDS_BACK_MS) },
})
vim.lsp.enable('seedfill')
vim.lsp.inline_completion.enable()

-- Neovim goes on showing the last ghost text until the next answer comes, whatever is typed meanwhile. Accept what
-- is left of it when that was typed, and nothing when something else was.
local function still_fits(item)
  local text = item.insert_text
  if type(text) ~= 'string' or not item.range then return item end
  local _, _, row, column = item.range:to_extmark()
  local cursor = vim.api.nvim_win_get_cursor(0)
  local typed = vim.api.nvim_get_current_line():sub(column + 1, cursor[2])
  if cursor[1] - 1 ~= row or cursor[2] < column then return nil end
  if typed == '' then return item end
  if not vim.startswith(text, typed) then return nil end
  item.insert_text, item.range = text:sub(#typed + 1), nil
  return item
end

vim.keymap.set('i', '<Tab>', function()
  if not vim.lsp.inline_completion.get({ on_accept = still_fits }) then return '<Tab>' end
end, { expr = true, desc = 'Accept the ghost text' })

Test = {}

-- Neovim turns inline completion on for a buffer some time after the server is initialized; it then waits for
-- insert mode.
function Test.ready()
  return #vim.api.nvim_get_autocmds({ event = 'InsertEnter', buffer = 0 }) > 0
end

-- Each ghost text on screen: the line it stands on, the column, and its lines.
function Test.ghosts()
  local namespace = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')
  local ghosts = {}
  for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
    local function joined(chunks)
      return vim.iter(chunks or {}):map(function(chunk) return chunk[1] end):join('')
    end
    local lines = { joined(mark[4].virt_text) }
    vim.list_extend(lines, vim.iter(mark[4].virt_lines or {}):map(joined):totable())
    table.insert(ghosts, { line = mark[2], column = mark[3], text = table.concat(lines, '\n') })
  end
  return ghosts
end

function Test.lines() return vim.api.nvim_buf_get_lines(0, 0, -1, false) end

function Test.mode() return vim.api.nvim_get_mode().mode end
