"""Chinese for what Typer and the system say; see `cli.chinese`."""

from __future__ import annotations

USAGE = (
    ("No such option: {} (Possible options: {})", "没有选项 {0}（可用的有：{1}）"),
    ("No such option: {} Did you mean {}?", "没有选项 {0}。是不是 {1}？"),
    ("No such option: {}", "没有选项 {0}。"),
    ("No such command {}. Did you mean {}?", "没有命令 {0}。是不是 {1}？"),
    ("No such command {}.", "没有命令 {0}。"),
    ("Missing command.", "缺少命令。"),
    ("Missing argument {}.", "缺少参数 {0}。"),
    ("Missing option {}.", "缺少选项 {0}。"),
    ("Option {} requires an argument.", "选项 {0} 需要一个值。"),
    ("Got unexpected extra argument{} ({})", "多余的参数：{1}"),
    ("Invalid value for {}: {} is not one of {}.", "{0} 的值 {1} 无效，可用的有：{2}。"),
    ("Invalid value for {}: {}", "{0} 的值无效：{1}"),
    ("Input should be greater than or equal to {}", "不能小于 {0}"),
    ("Input should be less than or equal to {}", "不能大于 {0}"),
    ("Input should be a valid integer, unable to parse string as an integer", "不是整数"),
    ("Input should be a valid number, unable to parse string as a number", "不是数"),
    ("something else than a page stands there already", "那里已有别的文件，不是网页"),
    ("is a directory", "是文件夹，不是文件"),
    ("input/output error", "读写错误"),
    ("no space left on device", "磁盘已满"),
    ("read-only file system", "只读的文件系统"),
    ("not a directory", "不是文件夹"),
    ("file exists", "同名文件已存在"),
    ("file name too long", "名称太长"),
    ("file too large", "文件太大"),
)
