"""Chinese for the errors and reasons that a person meets; the layers below speak English.

Each row is a message with `{}` for what varies, and its Chinese with `{0}`, `{1}`, ... for the same.
What has no row is shown as it is: an English reason is better than none.
"""

from __future__ import annotations

import re
from functools import cache

from polysee.cli.chinese_usage import USAGE

# What the layers below say.
MESSAGES = (
    # libraries and queries
    (
        "there is no library at {} yet: run `polysee index` first",
        "{0} 还没有图库：请先运行 `polysee index`",
    ),
    (
        "nothing is indexed in {} yet: run `polysee index` first",
        "图库 {0} 里还没有图片：请先运行 `polysee index`",
    ),
    (
        "the library {} was indexed with other weights of {}: run `polysee index` again",
        "图库 {0} 是用 {1} 的另一版权重建立的：请重新运行 `polysee index`",
    ),
    (
        "the library {} was indexed with {}, not with {}: "
        "search with --model {}, or index with it first",
        "图库 {0} 是用 {1} 建立的，不是 {2}：请用 --model {3}，或先用它建立索引",
    ),
    (
        "the library {} is being written by another process; "
        "wait until that one is done, or stop it",
        "另一个进程正在写图库 {0}：请等它结束，或先停止它",
    ),
    ("the library {} cannot be made: {}", "无法建立图库 {0}：{1}"),
    ("the library {} cannot be written: {}", "无法写入图库 {0}：{1}"),
    (
        "the library {} cannot be read ({}): "
        "if it is damaged, move that folder away and run `polysee index` again",
        "图库 {0} 读不出来（{1}）：如果已损坏，请把这个文件夹移走，再运行 `polysee index`",
    ),
    ("the library {} cannot be read: permission denied", "无法读取图库 {0}：没有权限"),
    (
        "the library {} was last indexed with {}, which is not there any more: "
        "name another model with --model",
        "图库 {0} 上次是用 {1} 建立的，而它已经不在那里：请用 --model 指定别的模型",
    ),
    ("{}: gives vectors that are not numbers", "{0} 给出的向量不是数"),
    ("an empty path: name a folder or a picture", "路径是空的：请写明文件夹或图片"),
    (
        "it is not there, so nothing of it was forgotten: is its disk there? "
        "To forget it, prune a folder above it",
        "文件夹不存在，所以没有去掉任何图片：磁盘接上了吗？要去掉它们，请对上层文件夹使用 --prune",
    ),
    (
        "nothing is left here, and all of it was forgotten; if its disk was absent, index it again",
        "这里什么也没有了，其中的图片已全部去掉；如果是磁盘没有接上，请接上后重新运行 index",
    ),
    (
        "reading words in pictures needs rapidocr: pip install polysee[ocr]",
        "识别图片中的文字需要 rapidocr：请运行 pip install polysee[ocr]",
    ),
    ("its words could not be read", "其中的文字无法识别"),
    ("its watermark could not be read", "无法读取其隐形水印"),
    ("the disk is full", "磁盘已满"),
    ("the page {} cannot be written: {}", "无法写入网页 {0}：{1}"),
    ("{}: its calibration is another model's", "{0} 的校准数据属于另一个模型"),
    ("{} is not a name that a folder can have", "{0} 不能作文件夹名"),
    (
        "the library {} was made by a newer Polysee; update",
        "图库 {0} 由较新版本的 Polysee 建立：请升级 Polysee",
    ),
    ("nothing was asked for: give words, a picture, or both", "没有说要找什么：请给出文字或图片"),
    ("weights must be 0 or more, and not all 0", "权重不能是负数，也不能全为 0"),
    (
        "{} is not a date; write it as 2023, 2023-10 or 2023-10-05",
        "{0} 不是日期；请写成 2023、2023-10 或 2023-10-05",
    ),
    ("at least two different labels are needed to choose among", "至少需要两个不同的名称"),
    ("the template {} has no {} where the name goes", "模板 {0} 中没有代表名称的 {1}"),
    # models
    (
        "{}: no such model; give a folder, a name such as openai/clip-vit-base-patch32, "
        "or one of the bundled: {}",
        "没有模型 {0}；请给出模型文件夹、openai/clip-vit-base-patch32 这样的名称，或者内置的：{1}",
    ),
    ("{}: no {}; is it a model folder?", "{0} 中没有 {1}，它是模型文件夹吗？"),
    ("{}: no model.safetensors", "{0} 中没有 model.safetensors"),
    (
        "{}: an unsafe pickle: it asks for {}; nothing of it was run. "
        "Use a folder with model.safetensors",
        "{0} 是不安全的 pickle 文件，要求运行 {1}；没有运行其中任何内容。请使用含 model.safetensors 的文件夹",
    ),
    ("{}: not a readable safetensors file: {}", "{0} 不是可以读取的 safetensors 文件：{1}"),
    ("{}: tensors missing: {}", "{0} 缺少张量：{1}"),
    ("{}: tensors left over: {}", "{0} 有多余的张量：{1}"),
    (
        "{}: {} is misshapen: {} in the file, {} in the model",
        "{0} 中的 {1} 形状不对：文件中是 {2}，模型中是 {3}",
    ),
    (
        "unknown model family {}; of transformers' are known: {}",
        "未知的模型 {0}；transformers 的模型中可用的有：{1}",
    ),
    (
        "unknown architecture {}; of {} are known: {}",
        "未知的结构 {0}；{1} 中可用的有：{2}",
    ),
    (
        "the texts end in token {}, by which transformers knows files that say nothing of it",
        "文字以 {0} 号词元结尾，而 transformers 用这个编号表示文件没有说明结尾词元",
    ),
    ("transformers has no architecture for {}", "transformers 中没有与 {0} 对应的模型"),
    ("transformers' ALIGN has no such form: {}", "transformers 的 ALIGN 没有这种结构：{0}"),
    (
        "{} is there already and not empty: give another --out",
        "{0} 已经存在，而且不是空的：请换一个 --out",
    ),
    ("{}: not a model of pictures and text", "{0} 不是图文模型"),
    ("{}: only models of pictures and text are exported as {}", "{0}：只有图文模型可以导出为 {1}"),
    (
        "{} is not installed: pip install 'polysee[fast]'",
        "没有安装 {0}：请运行 pip install 'polysee[fast]'",
    ),
    (
        "int8 is for onnx and openvino: transformers reads whole weights",
        "--int8 只用于 onnx 和 openvino：transformers 读取完整的权重",
    ),
    ("there is no device {} here; try cpu", "这里没有设备 {0}；请用 cpu"),
    (
        "int8 runs on a CPU: device must be cpu, not {}",
        "int8 只能在 CPU 上运行：device 应为 cpu，而不是 {0}",
    ),
    (
        "{}: int8 is for models of pictures and text; a GPT's auto is that",
        "{0}：int8 用于图文模型；GPT 的 auto 已经是 8 位",
    ),
    ("{}: labels must be a list of lists of names", "{0}：labels 应为名称列表的列表"),
    (
        "{}: a weight and a bias for each of {} labels are expected",
        "{0}：应有 {1} 个类别各自的权重和偏置",
    ),
    ("{} is damaged: {}", "{0} 已损坏：{1}"),
    ("{}: not a readable tokenizer: {}", "{0} 不是可以读取的分词器：{1}"),
    ("{} has no tokenizer.json: it cannot read text", "{0} 没有 tokenizer.json，不能读文字"),
    # models of the hub
    (
        "{}: not a model's name; write owner/name or owner/name@revision",
        "{0} 不是模型名称；请写成 所有者/名称，或 所有者/名称@版本",
    ),
    (
        "{} is not on this machine, and offline mode forbids the download: "
        "run `polysee models download {}` while online",
        "本机没有 {0}，离线模式下不能下载：请在联网时运行 `polysee models download {1}`",
    ),
    (
        "{}: {} cannot be reached ({}): check the connection, or name a mirror in HF_ENDPOINT",
        "{0}：连不上 {1}（{2}）：请检查网络，或在环境变量 HF_ENDPOINT 中写明镜像站",
    ),
    (
        "{}: {} answers with status {}: try again later, or name a mirror in HF_ENDPOINT",
        "{0}：{1} 返回状态 {2}：请稍后再试，或在环境变量 HF_ENDPOINT 中写明镜像站",
    ),
    (
        "{}: no such folder here, and no such model at {}, "
        "or only for those with access: set HF_TOKEN to your token",
        "{0}：本机没有这个文件夹，{1} 上也没有这个模型，或需要访问权限：请把令牌写入环境变量 HF_TOKEN",
    ),
    (
        "{}: {} does not accept the token in HF_TOKEN for it, or there is no such model",
        "{0}：{1} 不接受 HF_TOKEN 中的令牌，或没有这个模型",
    ),
    (
        "{}: its owners ask for agreement to their terms: agree at {}/{}, "
        "then set HF_TOKEN to your token",
        "{0}：使用前须同意作者的条款：请到 {1}/{2} 同意，再把令牌写入环境变量 HF_TOKEN",
    ),
    ("{}: there is no revision {}", "{0} 没有版本 {1}"),
    ("{}: {} names no commit; is it a hub?", "{0}：{1} 没有给出提交号，它是模型站点吗？"),
    (
        "{}: its repository has no config.json; is it a model?",
        "{0} 的仓库中没有 config.json，它是模型吗？",
    ),
    (
        "{}: its repository has no weights as model.safetensors or pytorch_model.bin",
        "{0} 的仓库中没有 model.safetensors 或 pytorch_model.bin 权重",
    ),
    (
        "{}: the connection was lost after {} MB; run the same command again to go on from there",
        "{0}：下载到 {1} MB 时连接中断；再次运行同一命令可以继续",
    ),
    (
        "{} arrives damaged: its content does not match its checksum; "
        "try again later, or name another mirror in HF_ENDPOINT",
        "{0} 下载后内容与校验和不符；请稍后再试，或在环境变量 HF_ENDPOINT 中换一个镜像站",
    ),
    ("{}: {} GB are needed at {}, and {} GB are free", "{0}：{2} 处需要 {1} GB 空间，只剩 {3} GB"),
    ("{}: cannot be stored: {}", "{0}：无法保存：{1}"),
    # data
    ("{}: there is no such file", "没有文件 {0}"),
    ("this is not a parquet file", "不是 parquet 文件"),
    ("a damaged parquet file", "parquet 文件已损坏"),
    (
        "{}: the column 'image' holds {}, and not the bytes of files",
        "{0} 的 image 列是 {1}，而不是图片文件的内容",
    ),
    ("{}: there is no column {}; it holds {}", "{0} 中没有 {1} 列；它有：{2}"),
    ("{}: the file holds no rows", "{0} 中没有数据"),
    ("{}: none of its {} pictures can be read", "{0} 中的 {1} 张图片都无法读取"),
    ("the row holds no picture", "这一行没有图片"),
    (
        "{}: the column {} holds {}, and labels must be words; choose a column of strings",
        "{0} 的 {1} 列存放的是 {2}，而名称必须是文字；请换一列",
    ),
    ("{}: the column {} needs at least two distinct values", "{0} 的 {1} 列至少要有两个不同的值"),
    (
        "{}: the column {} holds {}; captions are strings or lists of strings",
        "{0} 的 {1} 列存放的是 {2}；描述应为文字或文字列表",
    ),
    ("{}: the column {} holds no caption", "{0} 的 {1} 列没有描述"),
    (
        "{}: there is no such folder; run the demo in the checkout's root",
        "没有文件夹 {0}；请在仓库的根目录运行演示",
    ),
    # texts
    ("the text is empty: give some words", "没有文字：请写点什么"),
    ("character {} of the text ({}) is half a character", "第 {0} 个字符（{1}）是不完整的字符"),
    ("character {} of the text ({}) is a control character", "第 {0} 个字符（{1}）是控制字符"),
    (
        "the text holds no Chinese: there is nothing to put into English",
        "文字里没有中文：没有什么可以译成英文",
    ),
    (
        "the text holds no English: there is nothing to put into Chinese",
        "文字里没有英文：没有什么可以译成中文",
    ),
    ("{} cannot write on from a text", "{0} 不能续写文字"),
    ("{} cannot translate", "{0} 不能翻译"),
    ("{} does not write {}", "{0} 不会写 {1}"),
    (
        "the prompt has {} tokens; the model reads {} with what it writes",
        "开头有 {0} 个词元；模型连同要写的内容一共只能读 {1} 个",
    ),
    ("a text has {} tokens; the model reads {}", "文字有 {0} 个词元；模型最多读 {1} 个"),
    (
        "seed {} is out of range: from 0 to {} for {} pictures",
        "种子 {0} 超出范围：画 {2} 张时从 0 到 {1}",
    ),
    ("{} is out of range: {}", "{0} 超出范围：{1}"),
    (
        "{}: no such data set, neither here nor under POLYSEE_DATA ({})",
        "没有数据文件 {0}，POLYSEE_DATA（{1}）下也没有",
    ),
    ("{}: the column {} holds no sentences", "{0} 的 {1} 列不是句子"),
    ("translations are scored by sacrebleu: install it first", "译文由 sacrebleu 评分：请先安装它"),
    # drawing
    ("an empty prompt: say what to draw", "没有写要画什么"),
    ("--keep and --vary go with --init", "--keep 和 --vary 要与 --init 同用"),
    (
        "a picture is finished (keep) or varied (vary), not both",
        "续画（keep）和变体（vary）只能选一个",
    ),
    (
        "it says only what is not to be there: {}; say what to draw",
        "只说了不要画什么：{0}；请写要画什么",
    ),
    (
        "the prompt is too long: {} tokens; the model reads {}",
        "描述太长：{0} 个词元，模型最多读 {1} 个",
    ),
    ("this is not drawn here: {}", "不画这样的内容：{0}"),
    ("unknown style {}; one of {}", "未知的画风 {0}，可用的有：{1}"),
    (
        "the number of pictures must be from 1 to {}, not {}",
        "图片数量应在 1 到 {0} 之间，而不是 {1}",
    ),
    ("{} must be from 0 to 1, not {}", "{0} 应在 0 到 1 之间，而不是 {1}"),
    ("{}: this model does not draw", "{0}：这个模型不会画图"),
    ("{} is a pipeline of diffusers ({}), without {}", "{0} 是 diffusers 管线（{1}），不支持 {2}"),
    (
        "{} is a pipeline of diffusers, which has no --dtype int8",
        "{0} 是 diffusers 管线，不支持 --dtype int8",
    ),
    ("{} draws code by code, without --steps", "{0} 逐个编码作画，不支持 --steps"),
    (
        "{} is not installed: pip install 'polysee[diffusers]'",
        "没有安装 {0}：请运行 pip install 'polysee[diffusers]'",
    ),
    ("{}: asks for code of its own ({}); it is not run", "{0} 要求运行自带的代码（{1}），没有运行"),
    ("{}: names no pipeline", "{0} 没有写明管线"),
    ("{}: diffusers has no pipeline {}", "{0}：diffusers 中没有管线 {1}"),
    ("{}: no {}; is it a whole pipeline?", "{0} 中没有 {1}，它是完整的管线吗？"),
    (
        "{}: no weights as safetensors, and others are not read here",
        "{0} 中没有 safetensors 权重，而其他格式的权重不予读取",
    ),
    ("{}: not a readable pipeline: {}", "{0} 不是可以读取的管线：{1}"),
    ("the model's own filter held every picture back: {}", "模型自带的过滤器扣下了全部 {0} 张图片"),
    ("{}: this model does not judge scenes", "{0}：这个模型不会评判场景"),
    ("unknown language {}; en, zh or both", "未知的语言 {0}；可用 en、zh 或两者"),
    (
        "{}: no such model comes with this copy of Polysee; "
        "train it by its recipe, see recipes/, and name its folder; here are {}",
        "这份 Polysee 不含 {0}：请按 recipes/ 中的配方训练，再指明它的文件夹；现有的模型：{1}",
    ),
    ("{}: cannot be made: {}", "{0}：无法创建：{1}"),
    ("{}: cannot be written: {}", "{0}：无法写入：{1}"),
    # fine-tuning
    (
        "{} was not fine-tuned on labels of its own: give --labels",
        "{0} 没有微调过自己的类别：请给出 --labels",
    ),
    ("{}: there is a model already; give another --out", "{0} 里已经有模型：请换一个 --out"),
    ("{}: holds no pictures{}", "{0} 里没有图片{1}"),
    ("{}: none of its {} pictures can be used{}", "{0} 里的 {1} 张图片都不能用{2}"),
    (
        "{}: one class only ({}); at least two are needed to tell apart",
        "{0} 里只有一个类别（{1}），至少需要两个",
    ),
    (
        "{}: labels in two languages, such as {} and {}; name all in one",
        "{0} 的标签用了两种语言，例如 {1} 和 {2}：请统一用一种语言命名",
    ),
    (
        "{}: a folder has no columns; its folders' names are the labels",
        "{0} 是文件夹，没有列；子文件夹名就是标签",
    ),
    (
        "{}: name the column of labels, or that of captions; it holds {}",
        "{0}：请用 --labels 或 --captions 指定标签列或描述列；它有：{1}",
    ),
    (
        "{}: the column {} holds no captions: strings, or lists of them",
        "{0} 的 {1} 列不是描述（字符串或字符串列表）",
    ),
    ("{}: {} is not among the classes that are learnt", "{0} 中的 {1} 不在要学习的类别里"),
    (
        "a linear probe tells classes apart: it needs labels, not captions",
        "probe 只能学习类别：需要标签，而不是描述",
    ),
    ("holds no picture", "里面没有图片"),
    ("lies in no class's folder", "不在任何类别的文件夹里"),
    ("the same picture has another label: {}", "同一张图片还有另一个标签：{0}"),
    # texts and their labels
    ("the text is empty: there is nothing to judge", "文字是空的：没有可判断的内容"),
    ("{} does not sort texts; {} does", "{0} 不能给文字分类；{1} 可以"),
    ("{}: no column {}; there are {}", "{0}：没有 {1} 列；有的列是 {2}"),
    ("{}: no rows", "{0}：没有任何一行"),
    ("{}: row {} has no {}", "{0}：第 {1} 行没有 {2}"),
    ("{}: column {} holds no texts", "{0}：{1} 列中不是文字"),
    ("{}: column {} holds neither names nor whole numbers", "{0}：{1} 列中既不是名称也不是整数"),
    ("{}: {} is none of the labels {}", "{0}：{1} 不在标签 {2} 之中"),
    (
        "all texts have one label, {}: there is nothing to tell apart",
        "所有文字的标签都是 {0}：没有可区分的类别",
    ),
    ("{} texts are too few: each label needs two", "只有 {0} 段文字，太少：每个标签至少要有两段"),
    ("{} is no BERT: --task classify needs one", "{0} 不是 BERT：--task classify 需要 BERT"),
    ("{} does not write: --task generate needs a GPT", "{0} 不会写作：--task generate 需要 GPT"),
    # training
    ("a batch of {} cannot be divided among {} processes", "一批 {0} 张无法平均分给 {1} 个进程"),
    (
        "a recipe of kind {} is trained by one process, batch by batch: devices and accumulate must be 1",
        "{0} 类配方只能用一个进程逐批训练：devices 和 accumulate 必须是 1",
    ),
    # files
    ("not a picture of a known format", "不是已知格式的图片"),
    ("an empty file", "空文件"),
    ("a {} file that is cut short", "{0} 文件不完整"),
    ("a damaged or cut short {} file", "{0} 文件已损坏或不完整"),
    ("a damaged {} file ({})", "{0} 文件已损坏（{1}）"),
    ("too large: {} x {} pixels", "太大：{0} x {1} 像素"),
    ("too large for this machine's memory", "太大，内存不够"),
    ("cannot be converted ({})", "无法转换（{0}）"),
    ("cannot be resized ({})", "无法缩放（{0}）"),
    (
        "named {}, but its content is {}; read by its content",
        "文件名以 {0} 结尾，内容却是 {1}；已按内容读取",
    ),
    ("its decoder crashed", "解码程序崩溃"),
    ("decoding it takes longer than {} seconds", "解码超过了 {0} 秒"),
    (
        "the system stopped its decoder, perhaps for want of memory",
        "解码程序被系统终止，可能是内存不足",
    ),
    ("not a name that a file can have", "不能作文件名"),
    ("it changed while it was read", "读取时文件发生了变化"),
    ("a link to something that is not there", "链接指向的文件不存在"),
    ("a link in a circle: it leads to a folder above itself", "循环链接：指向了上层文件夹"),
    ("a link in a circle", "循环链接"),
    ("no such file or folder", "没有这个文件或文件夹"),
    ("permission denied", "没有权限"),
    ("larger than {} MiB", "超过 {0} MiB"),
    ("a named pipe, not a file", "是管道，不是文件"),
    ("a socket, not a file", "是套接字，不是文件"),
    ("a device, not a file", "是设备，不是文件"),
    ("a folder, not a file", "是文件夹，不是文件"),
    ("not a regular file", "不是普通文件"),
)


def in_chinese(message: str) -> str:
    """The Chinese of a message, or the message itself.

    Example:
        >>> in_chinese("a JPEG file that is cut short")
        'JPEG 文件不完整'
        >>> in_chinese("cat.jpg: an empty file")
        'cat.jpg: 空文件'
        >>> in_chinese("the library /disk cannot be written: permission denied")
        '无法写入图库 /disk：没有权限'
    """
    for pattern, chinese in _compiled():
        found = pattern.fullmatch(message)
        if found:
            return chinese.format(*(in_chinese(group) if group else "" for group in found.groups()))
    # A MediaError that stands alone names its file first.
    file, separator, reason = message.partition(": ")
    return f"{file}: {in_chinese(reason)}" if separator else message


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile("(.*?)".join(map(re.escape, english.split("{}"))), re.DOTALL), chinese)
        for english, chinese in (*USAGE, *MESSAGES)
    )
