"""Words from which a town is made up. Plainly invented: no street of these exists, and nobody is meant."""

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余叶程苏魏吕丁任姚沈"

ELDER_GIVEN = (
    "秀英", "桂兰", "淑珍", "玉梅", "凤霞", "美华", "素琴", "月娥", "彩云", "惠珠",
    "阿妹", "丽卿", "锦绣", "碧莲", "金枝", "建国", "德福", "志明", "文山", "永康",
    "国栋", "庆余", "天水", "炳南", "松柏", "长庚", "水生", "耀宗", "启文", "万里",
)  # fmt: skip
WORKER_GIVEN = (
    "晓雨", "思远", "子涵", "嘉怡", "浩然", "雅婷", "俊杰", "诗琪", "志强", "海燕",
    "小鹏", "静雯", "立伟", "慧敏", "一帆", "若兰", "明辉", "春晓", "佳宁", "宇航",
    "丹阳", "文博", "心怡", "大勇", "雪晴", "振东", "可欣", "凯旋", "秋月", "正阳",
)  # fmt: skip

STREETS = (
    "纸鸢路", "半糖巷", "听潮里", "晴雨街", "橘灯路", "白帆巷", "云梯路", "蓝鲸里", "旧信街", "慢船路",
    "萤火里", "月台路", "风铃巷", "星图街", "木舟里", "珊瑚路", "茶烟巷", "鹿角街", "长椅里", "贝壳路",
    "拾光巷", "雨靴街", "棋盘里", "候鸟路",
)  # fmt: skip
"""Each station's quarter is named after the first, its streets are the others."""

RELATIONS = {"daughter": 35, "son": 35, "neighbour": 20, "spouse": 10}
RISKS = (
    "lives_alone",
    "heart",
    "diabetes",
    "hypertension",
    "falls",
    "hearing",
    "dementia",
    "stroke",
    "allergy_penicillin",
)
ORGANISATIONS = ("海风养老服务社", "邻里照护中心", "长者之友")
DISTRICTS = ("东岸片", "西岸片", "湖边片")
